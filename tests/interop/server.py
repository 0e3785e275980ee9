"""A real `eyot` process on loopback, with a data directory and ports of its own."""

import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time

from cases import check

START = 20
STOP = 20


def free_port(address="127.0.0.1"):
    """Returns a port of a loopback address that nobody uses."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def some_address():
    """Returns an address of loopback that nobody else uses, most likely."""
    return f"127.{random.randint(64, 127)}.{random.randint(1, 254)}.{random.randint(1, 254)}"


class Eyot:
    """A server with accounts; a context manager that stops it."""

    domain = "river.example"
    people = ("alice", "bob")
    address = "127.0.0.1"
    ports = None
    # What the configuration file says.
    configuration = ""

    def __init__(self, program, data):
        self.program, self.data = pathlib.Path(program), pathlib.Path(data)
        shutil.rmtree(self.data, ignore_errors=True)
        self.log = self.data.with_name(self.data.name + ".log")
        self.starttls_port, self.direct_port = self.ports or (free_port(), free_port())
        self.passwords = {}
        self.process = None

    def __enter__(self):
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        self.start()
        for name in self.people:
            check(self.try_add(name), "user add failed:", self.log_tail())
        return self

    def __exit__(self, error, *_):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP)
        # An error on its way out is the story; this would hide it.
        check(code == 0 or error, "the server stopped with", code, self.log_tail())

    def start(self):
        """Starts the server and returns how many seconds it took until both listeners answered."""
        file = self.data.with_name(self.data.name + ".toml")
        file.write_text(self.configuration)
        arguments = ["serve", "--config", file, "--domain", self.domain, "--data", self.data]
        arguments += ["--listen", f"{self.address}:{self.starttls_port}"]
        arguments += ["--listen-tls", f"{self.address}:{self.direct_port}"]
        begin = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.program, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        for port in (self.starttls_port, self.direct_port):
            self.wait_for(port, begin + START)
        return time.monotonic() - begin

    def wait_for(self, port, end):
        """Waits until a listener answers."""
        while True:
            check(self.process.poll() is None, "the server ended:", self.log_tail())
            try:
                socket.create_connection((self.address, port), timeout=1).close()
                return
            except OSError:
                check(time.monotonic() < end, "no listener on", port, self.log_tail())
                time.sleep(0.02)

    @property
    def certificate(self):
        """Returns the file that the server names as its certificate when it starts."""
        named = re.search(r"^ *certificate +(.*\.pem)", self.log.read_text(), re.MULTILINE)
        check(named, "the server named no certificate:", self.log_tail())
        return pathlib.Path(named[1])

    def kill(self):
        """Kills the server as a power cut would, as far as a process can tell."""
        self.process.kill()
        self.process.wait(STOP)

    def user(self, *arguments, text=None):
        """Runs `eyot user ..` on the data directory and returns the finished process."""
        command = [self.program, "user", *arguments, "--data", self.data]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)

    def try_add(self, name):
        """Adds an account with a password of ours; tells whether the server said that it did."""
        password = f"pässword-of-{name}"
        done = self.user("add", f"{name}@{self.domain}", "--password-stdin", text=password + "\n")
        if done.returncode == 0:
            self.passwords[name] = password
        return done.returncode == 0

    def account(self, name):
        """Returns a name after making sure that there is such an account."""
        check(name in self.passwords or self.try_add(name), "user add failed:", self.log_tail())
        return name

    def users(self):
        """Returns the addresses that `eyot user list` tells."""
        done = self.user("list")
        check(done.returncode == 0, done.stderr)
        return [line.split()[0] for line in done.stdout.splitlines() if "@" in line]

    def log_tail(self):
        """Returns the end of what the server printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


class Impatient(Eyot):
    """A server that waits a moment only for a client to resume."""

    configuration = '[limits]\nresume_time = "2s"\n'
