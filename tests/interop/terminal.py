"""Cases with profanity: a person at a terminal talks with slixmpp, over a certificate that is checked."""

import os
import pathlib
import shutil
import time

import pexpect
import pyte
from OpenSSL import crypto

from cases import case, check
from library import Person, play

import asyncio

ROWS, COLUMNS = 40, 140
WAIT = 30


class Terminal:
    """profanity on a terminal of its own, with a home of its own."""

    def __init__(self, server, name, home, *, trust):
        shutil.rmtree(home, ignore_errors=True)
        (home / "config" / "profanity").mkdir(parents=True)
        authorities = home / "authorities"
        authorities.mkdir()
        if trust:
            pem = pathlib.Path(server.certificate).read_bytes()
            loaded = crypto.load_certificate(crypto.FILETYPE_PEM, pem)
            # OpenSSL finds a certificate in a directory by the hash of its subject.
            (authorities / f"{loaded.subject_name_hash():08x}.0").write_bytes(pem)
        profile = f"[connection]\ntls.certpath={authorities}\n[ui]\nsplash=false\n"
        (home / "config" / "profanity" / "profrc").write_text(profile)
        self.server, self.name = server, name
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        environment = {
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "TERM": "linux",
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "share"),
        }
        program = shutil.which("profanity")
        check(program, "profanity is not installed")
        self.child = pexpect.spawn(program, env=environment, dimensions=(ROWS, COLUMNS), timeout=WAIT)

    def text(self):
        """Returns what stands on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def look(self, seconds=0.1):
        """Draws what profanity has written."""
        try:
            self.stream.feed(self.child.read_nonblocking(65536, timeout=seconds))
        except (pexpect.TIMEOUT, pexpect.EOF):
            pass

    def wait_for(self, *texts):
        """Waits until one of the texts stands on the screen, and returns it."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            self.look()
            for text in texts:
                if text in self.text():
                    return text
        raise AssertionError(f"none of {texts} on the screen:\n{self.text()}")

    def type(self, line):
        """Types a line."""
        self.child.send(line.encode() + b"\r")

    def connect(self, tls):
        """Types the command that connects, without waiting for the outcome of the handshake."""
        port = self.server.direct_port if tls == "legacy" else self.server.starttls_port
        self.wait_for("Profanity")
        self.type(f"/connect {self.name}@{self.server.domain}/desk server 127.0.0.1 port {port} tls {tls}")
        self.wait_for("nter password")
        self.type(self.server.passwords[self.name])

    def close(self):
        """Leaves."""
        self.type("/quit")
        self.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=5)
        self.child.close(force=True)


def talk(tls):
    """Makes a case in which profanity and slixmpp exchange messages."""

    async def story(server):
        bob = await Person(server, "bob", resource="shore").login()
        alice = Terminal(server, "alice", server.data.parent / f"profanity-{tls}", trust=True)
        try:
            await asyncio.to_thread(alice.connect, tls)
            seen = await asyncio.to_thread(alice.wait_for, "logged in successfully", "TLS certificate", "failed")
            check(seen == "logged in successfully", alice.text())
            alice.type(f"/msg {bob.boundjid.bare} Grüße vom Ufer 🛶")
            got = await bob.next()
            check(got["body"] == "Grüße vom Ufer 🛶", repr(got["body"]))
            check(got["from"].full == f"alice@{server.domain}/desk", got["from"])
            bob.send_message(mto=got["from"], mbody="Antwort: <&> zurück", mtype="chat")
            await asyncio.to_thread(alice.wait_for, "Antwort: <&> zurück")
        finally:
            alice.close()
        await bob.leave()

    return lambda server: play(story(server))


case("profanity: a person at a terminal talks with slixmpp over STARTTLS")(talk("force"))
case("profanity: a person at a terminal talks with slixmpp over direct TLS")(talk("legacy"))


@case("profanity: a certificate that is not trusted is shown, not accepted")
def untrusted(server):
    alice = Terminal(server, "alice", server.data.parent / "profanity-untrusted", trust=False)
    try:
        alice.connect("force")
        seen = alice.wait_for("logged in successfully", "TLS certificate")
        check(seen == "TLS certificate", alice.text())
    finally:
        alice.close()
