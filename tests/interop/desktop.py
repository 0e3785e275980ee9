"""A case with Dino, a client on a desktop: a person there talks with slixmpp, and a picture is kept.

Dino asks the system for the address of the domain and for the certificates to trust; it gets answers of its own in
a mount namespace, and nothing of the system is changed. That needs the rights of root.
"""

import asyncio
import contextlib
import shutil
import sqlite3
import time

from cases import case, check
from library import Person, play
from screen import Screen
from suite import Known

WAIT = 40
ROOTS = "/etc/ssl/certs/ca-certificates.crt"


class Dino:
    """Dino with one account, on a screen of its own."""

    def __init__(self, server, name, home):
        shutil.rmtree(home, ignore_errors=True)
        (home / "share").mkdir(parents=True)
        self.server, self.jid, self.home = server, f"{name}@{server.domain}", home
        self.password = server.passwords[name]
        self.stack = contextlib.ExitStack()
        self.process = None

    def __enter__(self):
        self.screen = self.stack.enter_context(Screen(self.home))
        hosts, roots = self.home / "hosts", self.home / "roots.pem"
        hosts.write_text(f"127.0.0.1 localhost\n{self.server.address} {self.server.domain}\n")
        roots.write_bytes(self.server.certificate.read_bytes())
        self.mounts = f"mount --bind '{hosts}' /etc/hosts && mount --bind '{roots}' {ROOTS} && "
        # The first start makes the tables; the account is put where its dialog would put it.
        self.start()
        self.screen.window("dino")
        self.stop()
        with self.tables() as tables:
            values = (self.jid, "desk", self.password, 1)
            tables.execute("insert into account (bare_jid, resourcepart, password, enabled) values (?, ?, ?, ?)", values)
            tables.commit()
        self.start()
        self.screen.window("dino")
        return self

    def __exit__(self, *_):
        self.stack.close()

    def start(self, *arguments):
        """Starts Dino; with an address, has the one that runs open it."""
        command = ["unshare", "--mount", "sh", "-c", self.mounts + 'exec dino-im "$@"', "sh", *arguments]
        log = (self.home / "dino.log").open("ab")
        process = self.screen.start(command, env=self.screen.environment, stdout=log, stderr=log)
        if not arguments:
            self.process = process
        return process

    def stop(self):
        """Ends Dino."""
        self.screen.end(self.process)

    @contextlib.contextmanager
    def tables(self):
        """Opens what Dino keeps, to read it."""
        opened = sqlite3.connect(self.home / "share" / "dino" / "dino.db", timeout=10)
        try:
            yield opened
        finally:
            opened.close()

    def open(self, friend):
        """Opens the conversation with a friend."""
        self.start(f"xmpp:{friend}?message").wait(WAIT)

    def type(self, text):
        """Types a message."""
        self.screen.window("dino")
        self.screen.keys("type", "--delay", "20", text)
        self.screen.keys("key", "Return")

    def has(self, text):
        """Waits until Dino has stored a message, and returns how it is marked."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            with contextlib.suppress(sqlite3.OperationalError), self.tables() as tables:
                found = tables.execute("select marked from message where body = ?", (text,)).fetchall()
                if found:
                    check(len(found) == 1, text, "is there", len(found), "times")
                    return found[0][0]
            time.sleep(0.1)
        raise AssertionError(f"Dino has no message {text!r}:\n{(self.home / 'dino.log').read_text()[-3000:]}")


@case("dino: a person at a desktop sends a message to slixmpp and gets one back")
def talk(shared):
    async def story(server, dino):
        bob = await Person(server, "bob", resource="shore").login()
        await asyncio.to_thread(dino.open, bob.boundjid.bare)
        await asyncio.to_thread(dino.type, "Hello from the desktop")
        got = await bob.next()
        check(got["body"] == "Hello from the desktop" and got["from"].bare == dino.jid, got)
        bob.send_message(mto=got["from"], mbody="Antwort vom Ufer: <&> 🛶", mtype="chat")
        await asyncio.to_thread(dino.has, "Antwort vom Ufer: <&> 🛶")
        # Drawn a moment after it is stored.
        await asyncio.sleep(2)
        await bob.leave()

    work = shared.data.parent
    with Known(shared.program, work / "desktop-server") as server, Dino(server, "alice", work / "desktop") as dino:
        try:
            play(story(server, dino))
        finally:
            dino.screen.picture(work / "desktop.png")
            print(f"       picture: {work / 'desktop.png'}")
