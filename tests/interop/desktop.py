"""A case with Dino, a client on a desktop: a person there talks with slixmpp, and a picture is kept.

Dino asks the system for the address of the domain and for the certificates to trust; it gets answers of its own in
a mount namespace, and nothing of the system is changed.
"""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import time

from cases import case, check
from library import Person, play
from screen import Screen
from server import Impatient, some_address
from suite import Known
from wire import Wire

WAIT = 60
# How Dino marks messages (Entities.Message.Marked): received by the other client, shown with a tick; not acknowledged.
RECEIVED, UNSENT, SENDING = 1, 4, 6
WAITING = (UNSENT, SENDING)
# Who is not root becomes it in a namespace.
RIGHTS = [] if os.geteuid() == 0 else ["--map-root-user"]
ROOTS = "/etc/ssl/certs/ca-certificates.crt"


class Dino:
    """Dino with one account, on a screen of its own."""

    def __init__(self, server, name, home, wire=None):
        shutil.rmtree(home, ignore_errors=True)
        (home / "share").mkdir(parents=True)
        self.server, self.jid, self.home = server, f"{name}@{server.domain}", home
        self.address, self.password = (wire or server).address, server.passwords[name]
        self.stack = contextlib.ExitStack()
        self.process = None

    def __enter__(self):
        self.screen = self.stack.enter_context(Screen(self.home))
        hosts, roots = self.home / "hosts", self.home / "roots.pem"
        hosts.write_text(f"127.0.0.1 localhost\n{self.address} {self.server.domain}\n")
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
        command = ["unshare", *RIGHTS, "--mount", "sh", "-c", self.mounts + 'exec dino-im "$@"', "sh", *arguments]
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

    def has(self, text, *marks):
        """Waits until Dino has stored a message, once, with one of the marks if some are named."""
        end = time.monotonic() + WAIT
        while True:
            with contextlib.suppress(sqlite3.OperationalError), self.tables() as tables:
                found = [mark for (mark,) in tables.execute("select marked from message where body = ?", (text,))]
                check(len(found) <= 1, text, "is there", len(found), "times")
                if found and (not marks or found[0] in marks):
                    return
            log = (self.home / "dino.log").read_text()[-3000:]
            check(time.monotonic() < end, "Dino has no message", repr(text), marks, "but", found, log)
            time.sleep(0.1)


async def text(person):
    """Waits for the next message that has a text, and returns it."""
    while not (message := await asyncio.wait_for(person.inbox.get(), WAIT))["body"]:
        pass
    return message


@case("dino: a person at a desktop sends a message to slixmpp and gets one back")
def talk(shared):
    async def story(server, dino):
        bob = await Person(server, "bob", resource="shore").login()
        await asyncio.to_thread(dino.open, bob.boundjid.bare)
        await asyncio.to_thread(dino.type, "Hello from the desktop")
        got = await text(bob)
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


@case("dino: a message that nobody acknowledged is shown as such, and sent again after the session has expired")
def expiry(shared):
    async def story(server, dino, wire):
        bob = Person(server, "bob", resource="shore")
        # It tells what it has received: Dino puts a tick there.
        bob.register_plugin("xep_0184")
        await bob.login()
        look = await Person(server, "alice", resource="look").login()
        await asyncio.to_thread(dino.open, bob.boundjid.bare)
        await asyncio.to_thread(dino.type, "Hello from the desktop")
        check((await text(bob))["body"] == "Hello from the desktop", "another text")
        await asyncio.to_thread(dino.has, "Hello from the desktop", RECEIVED)
        # In between, so that what follows stands alone, with a mark of its own.
        bob.send_message(mto=dino.jid, mbody="Good morning.", mtype="chat")
        await asyncio.to_thread(dino.has, "Good morning.")
        wire.stall()
        await asyncio.to_thread(dino.type, "Is anybody there?")
        await asyncio.to_thread(dino.has, "Is anybody there?", *WAITING)
        wire.cut(refuse=True)
        # The server gives up: the other client of the account is told.
        while (presence := await asyncio.wait_for(look.seen.get(), WAIT))["type"] != "unavailable":
            pass
        check(presence["from"].resource.startswith("desk"), presence)
        await asyncio.to_thread(dino.has, "Is anybody there?", *WAITING)
        await asyncio.sleep(1)
        await asyncio.to_thread(dino.screen.picture, work / "desktop-waiting.png")
        while not bob.inbox.empty():
            # Dino tells what it has received, too; that has no text.
            check(not (came := bob.inbox.get_nowait())["body"], came)
        wire.mend()
        check((await text(bob))["body"] == "Is anybody there?", "another text")
        await asyncio.to_thread(dino.has, "Is anybody there?", RECEIVED)
        await asyncio.to_thread(dino.type, "So you are.")
        # It came once.
        check((await text(bob))["body"] == "So you are.", "another text")
        await asyncio.to_thread(dino.has, "So you are.", RECEIVED)
        await asyncio.sleep(1)
        await bob.leave()
        await look.leave()

    work = shared.data.parent
    with (
        Impatient(shared.program, work / "desktop-expiry-server") as server,
        Wire(server, some_address(), 5222) as wire,
        Dino(server, "alice", work / "desktop-expiry", wire) as dino,
    ):
        try:
            play(story(server, dino, wire))
        finally:
            dino.screen.picture(work / "desktop-sent-again.png")
            print(f"       pictures: {work}/desktop-waiting.png, desktop-sent-again.png")
