"""Cases with a client of our own that computes the channel binding itself, on another TLS library.

Implements the client's side of RFC 5802, RFC 7677, RFC 5929 (section 4.1) and RFC 9266 from their texts; shares
no line with the server.
"""

import base64
import hashlib
import hmac
import secrets
import socket
import xml.etree.ElementTree as ET

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from cases import case, check

WAIT = 20
STREAM = "{http://etherx.jabber.org/streams}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
BINDINGS = "{urn:xmpp:sasl-cb:0}"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}
VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


class Refused(Exception):
    """The server ended SASL with a failure; holds the condition."""


class Raw:
    """One connection, stanza by stanza."""

    def __init__(self, server, *, direct=False, version="1.3"):
        self.server = server
        port = server.direct_port if direct else server.starttls_port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
        if direct:
            self.secure(version)
            self.features = self.open()
        else:
            features = self.open()
            check(features.find(f"{TLS}starttls") is not None, "no STARTTLS")
            check(features.find(f"{SASL}mechanisms") is None, "SASL before TLS")
            self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            check(self.read().tag == f"{TLS}proceed", "no proceed")
            self.secure(version)
            self.features = self.open()

    def secure(self, version):
        """Does the handshake, checks chain and name."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(VERSIONS[version])
        context.set_max_proto_version(VERSIONS[version])
        context.load_verify_locations(str(self.server.certificate))
        context.set_verify(SSL.VERIFY_PEER, lambda _conn, _cert, _error, _depth, good: good)
        context.set_alpn_protos([b"xmpp-client"])
        self.socket.settimeout(None)
        tls = SSL.Connection(context, self.socket)
        tls.set_tlsext_host_name(self.server.domain.encode())
        tls.set_connect_state()
        tls.do_handshake()
        self.socket = tls
        self.certificate = tls.get_peer_certificate(as_cryptography=True)
        names = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        check(self.server.domain in names.get_values_for_type(x509.DNSName), "another name:", names)

    def open(self):
        """Opens a stream and returns the features."""
        self.parser = ET.XMLPullParser(("start", "end"))
        self.depth, self.ready = 0, []
        self.send(
            f"<?xml version='1.0'?><stream:stream to='{self.server.domain}' version='1.0' "
            "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        features = self.read()
        check(features.tag == f"{STREAM}features", ET.tostring(features))
        return features

    def send(self, text):
        """Writes text."""
        self.socket.sendall(text.encode())

    def read(self):
        """Returns the next element at depth one."""
        while not self.ready:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the server closed")
            self.parser.feed(data)
            for event, element in self.parser.read_events():
                self.depth += 1 if event == "start" else -1
                if event == "end" and self.depth == 1:
                    self.ready.append(element)
        return self.ready.pop(0)

    def offered(self):
        """Returns the mechanisms and the binding types of the features."""
        mechanisms = {found.text for found in self.features.iter(f"{SASL}mechanism")}
        types = {found.get("type") for found in self.features.iter(f"{BINDINGS}channel-binding")}
        return mechanisms, types

    def binding(self, kind):
        """Computes the channel binding of this connection."""
        if kind == "tls-exporter":
            # RFC 9266, section 2: this label, an empty context, 32 bytes.
            return self.socket.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        # RFC 5929, section 4.1: the hash of the signature; SHA-256 in place of MD5 and SHA-1.
        signed = self.certificate.signature_hash_algorithm
        name = signed.name if signed is not None and signed.name not in ("md5", "sha1") else "sha256"
        return hashlib.new(name, self.certificate.public_bytes(Encoding.DER)).digest()

    def exchange(self, text):
        """Sends an element of SASL and returns what the server answered, decoded."""
        self.send(text)
        answer = self.read()
        if answer.tag == f"{SASL}failure":
            raise Refused(next(child.tag for child in answer).removeprefix(SASL))
        return answer.tag.removeprefix(SASL), base64.b64decode(answer.text or "")

    def scram(self, mechanism, header, binding, name, password):
        """Logs in by SCRAM with the given GS2 header and binding; checks the server's signature."""
        digest = HASHES[mechanism.removesuffix("-PLUS")]
        nonce = base64.b64encode(secrets.token_bytes(18)).decode()
        bare = f"n={name},r={nonce}"
        first = base64.b64encode(f"{header}{bare}".encode()).decode()
        kind, challenge = self.exchange(
            f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{first}</auth>"
        )
        check(kind == "challenge", kind)
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        check(fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce), "nonce")
        salt, rounds = base64.b64decode(fields["s"]), int(fields["i"])
        check(rounds >= 4096, "iterations:", rounds)
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, rounds)
        mac = lambda key, text: hmac.digest(key, text, digest)
        client_key = mac(salted, b"Client Key")
        proofless = f"c={base64.b64encode(header.encode() + binding).decode()},r={fields['r']}"
        signed = f"{bare},{challenge.decode()},{proofless}".encode()
        signature = mac(hashlib.new(digest, client_key).digest(), signed)
        proof = bytes(left ^ right for left, right in zip(client_key, signature, strict=True))
        last = base64.b64encode(f"{proofless},p={base64.b64encode(proof).decode()}".encode()).decode()
        kind, final = self.exchange(f"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{last}</response>")
        check(kind == "success", kind)
        expected = base64.b64encode(mac(mac(salted, b"Server Key"), signed)).decode()
        check(final.decode() == f"v={expected}", "the server's signature is wrong")

    def login(self, name, password, kind=None, mechanism="SCRAM-SHA-256"):
        """Logs in, with a binding of `kind` if one is given, and binds a resource."""
        if kind is None:
            self.scram(mechanism, "n,,", b"", name, password)
        else:
            self.scram(f"{mechanism}-PLUS", f"p={kind},,", self.binding(kind), name, password)
        self.open()
        self.send(f"<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>")
        answer = self.read()
        check(answer.get("type") == "result", ET.tostring(answer))
        return answer.find(f"{{{BIND}}}bind/{{{BIND}}}jid").text

    def close(self):
        """Ends the stream and the connection."""
        try:
            self.send("</stream:stream>")
        except (SSL.Error, OSError):
            # The server may have closed first, which it does after the last failed attempt.
            pass
        self.socket.close()


def bound(direct, version):
    """Makes a case: each binding type that is offered, with each mechanism."""

    def run(server):
        raw = Raw(server, direct=direct, version=version)
        mechanisms, types = raw.offered()
        raw.close()
        check({"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"} <= mechanisms, mechanisms)
        check("tls-server-end-point" in types, types)
        check(version != "1.3" or "tls-exporter" in types, types)
        check(types <= {"tls-server-end-point", "tls-exporter"}, types)
        for kind in sorted(types):
            for mechanism in HASHES:
                raw = Raw(server, direct=direct, version=version)
                jid = raw.login("alice", server.passwords["alice"], kind, mechanism)
                check(jid.startswith(f"alice@{server.domain}/"), jid)
                raw.close()

    return run


for direct in (False, True):
    for version in VERSIONS:
        way = "direct TLS" if direct else "STARTTLS"
        case(f"binding: every type with every mechanism over {way} {version}")(bound(direct, version))


def refused(server, condition, mechanism, header, change=lambda raw: b""):
    """Tries one login and compares the condition it was refused with."""
    raw = Raw(server)
    try:
        raw.scram(mechanism, header, change(raw), "alice", server.passwords["alice"])
        check(False, mechanism, header, "was accepted")
    except Refused as failure:
        check(str(failure) == condition, mechanism, header, failure)
    finally:
        raw.close()


@case("binding: a wrong binding of each type is refused")
def wrong(server):
    for kind in ("tls-exporter", "tls-server-end-point"):
        for mechanism in HASHES:
            flip = lambda raw, kind=kind: bytes([raw.binding(kind)[0] ^ 1]) + raw.binding(kind)[1:]
            refused(server, "not-authorized", f"{mechanism}-PLUS", f"p={kind},,", flip)
            refused(server, "not-authorized", f"{mechanism}-PLUS", f"p={kind},,", lambda raw: b"")


@case("binding: one connection's binding does not fit another")
def foreign(server):
    other = Raw(server)
    refused(server, "not-authorized", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", lambda _: other.binding("tls-exporter"))
    other.close()


@case("binding: a client that was told there is no binding is refused")
def downgrade(server):
    for mechanism in HASHES:
        refused(server, "not-authorized", mechanism, "y,,")


@case("binding: a client without binding logs in by the plain forms")
def without(server):
    for mechanism in HASHES:
        raw = Raw(server)
        raw.login("alice", server.passwords["alice"], None, mechanism)
        raw.close()


@case("binding: a header that does not fit its mechanism is refused")
def misfit(server):
    refused(server, "malformed-request", "SCRAM-SHA-256-PLUS", "n,,")
    refused(server, "malformed-request", "SCRAM-SHA-256", "p=tls-exporter,,", lambda raw: raw.binding("tls-exporter"))
    # A type the server does not have is told like a wrong binding.
    refused(server, "not-authorized", "SCRAM-SHA-256-PLUS", "p=tls-unique,,")
