"""A client on a terminal of its own: its keys, its screen, its death."""

import contextlib
import os
import shutil
import signal
import time

import pexpect
import pyte

from cases import check

ROWS, COLUMNS = 40, 140
WAIT = 15
NOBODY = 65534


def become_nobody():
    """Gives up the rights of root, in the process that becomes the program."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


class Terminal:
    """A program that draws on a terminal, with a home of its own that outlives it."""

    program = None
    # Whether the program refuses to run as root.
    ordinary = False

    def __init__(self, server, name, home, wire=None):
        self.server, self.name, self.home = server, name, home
        self.host, self.port = (wire.address, wire.port) if wire else (server.address, server.starttls_port)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        self.child = None

    def spawn(self, *arguments):
        """Starts the program on an empty screen."""
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        environment = {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "TERM": "linux",
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_DATA_HOME": str(self.home / "share"),
        }
        program = shutil.which(self.program)
        check(program, self.program, "is not installed")
        options = {"env": environment, "dimensions": (ROWS, COLUMNS), "timeout": WAIT}
        if self.ordinary and os.geteuid() == 0:
            for path in (self.home, *self.home.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
            options["preexec_fn"] = become_nobody
        self.child = pexpect.spawn(program, list(arguments), **options)

    def text(self):
        """Returns what stands on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def look(self, seconds=0.1):
        """Draws what the program has written."""
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

    def has_once(self, *texts):
        """Waits for each text on the screen; then each stands there once, in this order."""
        for text in texts:
            self.wait_for(text)
        # A double may come right behind: what is under way is drawn first.
        self.look(0.5)
        shown = self.text()
        counts = {text: shown.count(text) for text in texts}
        check(set(counts.values()) == {1}, counts, shown)
        places = [shown.index(text) for text in texts]
        check(places == sorted(places), "out of order:", shown)

    def type(self, line):
        """Types a line."""
        self.child.send(line.encode() + b"\r")

    def sees(self, friend, status):
        """Waits until the client shows the status of a friend."""
        self.wait_for(status)

    def kill(self):
        """Ends the program as a power cut would: it says and writes nothing more."""
        self.child.kill(signal.SIGKILL)
        self.child.wait()
        self.child.close(force=True)

    def close(self):
        """Leaves."""
        if self.child is None or self.child.closed:
            return
        with contextlib.suppress(AssertionError):
            self.type("/quit")
        self.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=5)
        self.child.close(force=True)
