"""Cases with profanity: a person at a terminal, slixmpp on the other side, a certificate that is checked."""

import pathlib

from OpenSSL import crypto

import terminal_stories
from cases import case, check
from terminal import Terminal


class Profanity(Terminal):
    """profanity, which trusts the server's certificate or nobody's."""

    program = "profanity"
    resource = "desk"

    def __init__(self, server, name, home, wire=None, *, trust=True):
        super().__init__(server, name, home, wire)
        (home / "config" / "profanity").mkdir(parents=True)
        authorities = home / "authorities"
        authorities.mkdir()
        if trust:
            pem = pathlib.Path(server.certificate).read_bytes()
            loaded = crypto.load_certificate(crypto.FILETYPE_PEM, pem)
            # OpenSSL finds a certificate in a directory by the hash of its subject.
            (authorities / f"{loaded.subject_name_hash():08x}.0").write_bytes(pem)
        profile = f"[connection]\ntls.certpath={authorities}\nreconnect=1\n[ui]\nsplash=false\n"
        (home / "config" / "profanity" / "profrc").write_text(profile)
        self.spawn()

    def connect(self, tls="force"):
        """Types the command that connects, without waiting for the outcome of the handshake."""
        port = self.server.direct_port if tls == "legacy" else self.port
        self.wait_for("Profanity")
        self.type(f"/connect {self.name}@{self.server.domain}/{self.resource} server {self.host} port {port} tls {tls}")
        self.wait_for("nter password")
        self.type(self.server.passwords[self.name])

    def login(self, tls="force"):
        """Connects and logs in."""
        self.connect(tls)
        seen = self.wait_for("logged in successfully", "TLS certificate", "failed")
        check(seen == "logged in successfully", self.text())

    def restart(self):
        """Starts the program again, with what it had kept, and logs in."""
        self.spawn()
        self.login()

    def restart_with_archive(self):
        """Starts the program again, and lets it read the archive of each conversation that is opened."""
        # What the archive has from its own full address it takes for what it has shown.
        self.resource = "cove"
        self.restart()
        self.type("/mam on")
        self.wait_for("Message Archive Management enabled")

    def open(self, friend):
        """Opens the conversation with a friend."""
        self.type(f"/msg {friend}")

    def say(self, friend, text):
        """Sends a message."""
        self.type(f"/msg {friend} {text}")

    def befriend(self, friend, nick):
        """Puts somebody into the roster and asks for presence."""
        self.type(f"/roster add {friend} {nick}")
        self.wait_for(f"Roster item added: {friend}")
        self.type(f"/sub request {friend}")

    def allow(self, friend):
        """Agrees to a request of a friend, once it is shown."""
        self.wait_for(f"authorization request from {friend}")
        self.type(f"/sub allow {friend}")

    def away(self, status):
        """Goes away, with a reason."""
        self.type(f'/status set away "{status}"')


terminal_stories.tell("profanity", Profanity)


@case("profanity: a person at a terminal talks with slixmpp over direct TLS")
def direct(server):
    terminal_stories.talk(Profanity, server, "profanity-direct", "legacy")


@case("profanity: a certificate that is not trusted is shown, not accepted")
def untrusted(server):
    alice = Profanity(server, "alice", server.data.parent / "profanity-untrusted", trust=False)
    try:
        alice.connect()
        seen = alice.wait_for("logged in successfully", "TLS certificate")
        check(seen == "TLS certificate", alice.text())
    finally:
        alice.close()
