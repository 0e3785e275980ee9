"""Cases with slixmpp: login, messages, presence, questions, refusals; over STARTTLS and direct TLS.

The server's certificate is trusted by file and checked against the domain; nothing is accepted unseen.
"""

import asyncio
import pathlib
import ssl
import xml.etree.ElementTree as ET

import slixmpp

from cases import case, check

WAIT = 20
PAYLOAD = "{urn:example:payload}note"
TEXTS = ["plain", "Grüße, 你好, שלום, 🛶🌊", "<&> ]]> \" ' \t tabs", "𐍈 and z\u0301\u0302", "x" * 20_000]


class Person(slixmpp.ClientXMPP):
    """One client of an account."""

    def __init__(self, server, name, *, resource="", password=None, direct=False, trust=True, wire=None):
        jid = f"{name}@{server.domain}" + (f"/{resource}" if resource else "")
        super().__init__(jid, password or server.passwords[name])
        self.eyot, self.direct, self.wire = server, direct, wire
        self.enable_direct_tls, self.enable_starttls, self.enable_plaintext = direct, not direct, False
        if trust:
            self.ca_certs = pathlib.Path(server.certificate)
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0199")
        self.inbox, self.seen = asyncio.Queue(), asyncio.Queue()
        self.outcome = asyncio.get_running_loop().create_future()
        self.add_event_handler("message", self.inbox.put_nowait)
        self.add_event_handler("message_error", self.inbox.put_nowait)
        self.add_event_handler("presence", self.seen.put_nowait)
        self.there = asyncio.get_running_loop().create_future()
        self.add_event_handler("presence", self.arrived)
        self.add_event_handler("session_start", lambda _: self.settle("in"))
        self.add_event_handler("failed_all_auth", lambda _: self.settle("refused"))
        self.add_event_handler("connection_failed", lambda reason: self.failed("no connection", reason))
        self.add_event_handler("disconnected", lambda reason: self.failed("disconnected", reason))

    def settle(self, outcome):
        """Notes how the login ended; the first word counts."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def arrived(self, presence):
        """Notes that the server knows of the client."""
        if presence["from"] == self.boundjid and not self.there.done():
            self.there.set_result(True)

    def failed(self, what, reason):
        """Notes why there is no connection; a certificate that does not verify is told apart from all else."""
        untrusted = isinstance(reason, ssl.SSLCertVerificationError)
        self.settle(f"{'not trusted' if untrusted else what}: {reason}")

    def dial(self):
        """Connects, through the wire if there is one."""
        if self.wire:
            self.connect(self.wire.address, self.wire.port)
        else:
            self.connect(self.eyot.address, self.eyot.direct_port if self.direct else self.eyot.starttls_port)

    async def attempt(self):
        """Connects and returns how the login ended."""
        self.dial()
        return await asyncio.wait_for(self.outcome, WAIT)

    async def login(self):
        """Connects, logs in, and tells everybody that it is there."""
        outcome = await self.attempt()
        check(outcome == "in", self.requested_jid, outcome)
        self.send_presence()
        # Its own presence comes back to it: from here on, messages come to it too.
        await asyncio.wait_for(self.there, WAIT)
        return self

    async def next(self):
        """Returns the next message."""
        return await asyncio.wait_for(self.inbox.get(), WAIT)

    async def leave(self):
        """Says good-bye."""
        self.settle("left")
        await self.disconnect(wait=2)


def play(story):
    """Runs an asynchronous story to its end."""
    asyncio.run(asyncio.wait_for(story, 120))


async def both_ways(alice, bob):
    """Exchanges every text in both directions, with a payload of its own."""
    for index, text in enumerate(TEXTS):
        for sender, receiver in ((alice, bob), (bob, alice)):
            message = sender.make_message(mto=receiver.boundjid.full, mbody=text, mtype="chat")
            note = ET.SubElement(message.xml, PAYLOAD, {"n": str(index), "quote": "\"'<&>ü"})
            note.text = text
            message["id"] = f"m{index}"
            message.send()
            got = await receiver.next()
            check(got["type"] == "chat" and got["id"] == f"m{index}", got)
            check(got["body"] == text, "body:", repr(got["body"])[:200])
            check(got["from"] == sender.boundjid and got["to"] == receiver.boundjid, got["from"], got["to"])
            found = got.xml.find(PAYLOAD)
            check(found is not None and found.text == text, "payload text")
            check(found.attrib == {"n": str(index), "quote": "\"'<&>ü"}, found.attrib)


def conversation(direct_alice, direct_bob):
    """Makes a case in which two people talk over the given kinds of TLS."""

    async def story(server):
        alice = await Person(server, "alice", resource="island", direct=direct_alice).login()
        bob = await Person(server, "bob", resource="shore", direct=direct_bob).login()
        check(alice.boundjid.full == f"alice@{server.domain}/island", alice.boundjid)
        await both_ways(alice, bob)
        await alice.leave()
        await bob.leave()

    return lambda server: play(story(server))


case("slixmpp: two people talk over STARTTLS")(conversation(False, False))
case("slixmpp: two people talk over direct TLS")(conversation(True, True))
case("slixmpp: STARTTLS on one side, direct TLS on the other")(conversation(False, True))


@case("slixmpp: a certificate that is not trusted ends the login")
def untrusted(server):
    async def story():
        for direct in (False, True):
            stranger = Person(server, "alice", direct=direct, trust=False)
            outcome = await stranger.attempt()
            check(outcome.startswith("not trusted: "), "direct TLS:" if direct else "STARTTLS:", outcome)
            stranger.abort()

    play(story())


@case("slixmpp: a wrong password and an unknown user are refused alike")
def wrong_password(server):
    async def story():
        for name in ("alice", "nobody-of-that-name"):
            stranger = Person(server, name, password="wrong")
            outcome = await stranger.attempt()
            check(outcome == "refused", name, outcome)
            stranger.abort()

    play(story())


@case("slixmpp: server and account answer service discovery and ping")
def questions(server):
    async def story():
        alice = await Person(server, "alice").login()
        info = await alice["xep_0030"].get_info(jid=server.domain, timeout=WAIT)
        identities = {(category, kind) for category, kind, *_ in info["disco_info"]["identities"]}
        check(("server", "im") in identities, identities)
        features = info["disco_info"]["features"]
        check({"urn:xmpp:ping", "http://jabber.org/protocol/disco#info"} <= set(features), features)
        own = await alice["xep_0030"].get_info(jid=alice.boundjid.bare, timeout=WAIT)
        kinds = {(category, kind) for category, kind, *_ in own["disco_info"]["identities"]}
        check(("account", "registered") in kinds, kinds)
        check(await alice["xep_0199"].ping(server.domain, timeout=WAIT) < WAIT, "ping of the server")
        await alice.leave()

    play(story())


@case("slixmpp: the server draws a resource, and two resources see each other")
def resources(server):
    async def story():
        first = await Person(server, "alice", resource="first").login()
        second = await Person(server, "alice").login()
        check(second.boundjid.resource and second.boundjid.resource != "first", second.boundjid)
        while (presence := await asyncio.wait_for(first.seen.get(), WAIT))["from"] != second.boundjid:
            pass
        check(presence["type"] == "available", presence)
        await second.leave()
        while (presence := await asyncio.wait_for(first.seen.get(), WAIT))["type"] != "unavailable":
            pass
        check(presence["from"] == second.boundjid, presence)
        await first.leave()

    play(story())


@case("slixmpp: a message to nobody comes back, an unknown question is answered with an error")
def nobody(server):
    async def story():
        alice = await Person(server, "alice").login()
        alice.send_message(mto=f"nobody-of-that-name@{server.domain}", mbody="anybody?", mtype="chat")
        back = await alice.next()
        check(back["type"] == "error" and back["error"]["condition"] == "service-unavailable", back)
        query = alice.make_iq_get(queryxmlns="urn:example:unknown", ito=server.domain)
        try:
            answer = await query.send(timeout=WAIT)
            check(False, "an answer:", answer)
        except slixmpp.exceptions.IqError as error:
            check(error.condition == "service-unavailable", error.condition)
        await alice.leave()

    play(story())


@case("slixmpp: who asks for a taken resource gets it, and the older client is told why it has to go")
def conflict(server):
    async def story():
        older = await Person(server, "alice", resource="desk").login()
        told = asyncio.get_running_loop().create_future()
        older.add_event_handler("stream_error", told.set_result)
        newer = await Person(server, "alice", resource="desk").login()
        check(newer.boundjid.full == f"alice@{server.domain}/desk", newer.boundjid)
        error = await asyncio.wait_for(told, WAIT)
        check(error["condition"] == "conflict", error)
        older.abort()
        check(await newer["xep_0199"].ping(server.domain, timeout=WAIT) < WAIT, "the newer client stays")
        await newer.leave()

    play(story())
