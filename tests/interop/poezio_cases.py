"""Cases with poezio: a person at another terminal."""

import pathlib
import shutil
import tempfile
import time

import terminal_stories
from cases import check
from terminal import WAIT, Terminal

CONFIG = """[Poezio]
jid = {jid}/desk
password = {password}
custom_host = {host}
custom_port = {port}
ca_cert_path = {certificate}
ignore_certificate = true
auto_reconnect = true
enable_smacks = true
mam_sync = true
use_log = true
send_time = true
information_buffer_popup_on = error roster warning info help message presence
information_buffer_type_filter =
show_roster_jids = true
"""


class Poezio(Terminal):
    """poezio with XEP-0198 switched on, which checks the certificate against the file that it is given."""

    program = "poezio"
    ordinary = True

    def __init__(self, server, name, _, wire):
        # Its home is where an ordinary user may go, wherever the server's data is.
        super().__init__(server, name, pathlib.Path(tempfile.mkdtemp(prefix="eyot-poezio-")), wire)

    def login(self):
        """Starts the program, which logs in by itself."""
        certificate = self.home / "certificate.pem"
        certificate.write_bytes(self.server.certificate.read_bytes())
        jid = f"{self.name}@{self.server.domain}"
        values = {"jid": jid, "password": self.server.passwords[self.name], "certificate": certificate}
        (self.home / "poezio.cfg").write_text(CONFIG.format(host=self.host, port=self.port, **values))
        self.restart()

    def close(self):
        """Leaves, and takes its home along."""
        super().close()
        shutil.rmtree(self.home, ignore_errors=True)

    def restart(self):
        """Starts the program, with what it had kept, until it has logged in."""
        self.spawn("--file", str(self.home / "poezio.cfg"))
        self.wait_for("Your JID is")

    def restart_with_archive(self):
        """Starts the program, which reads the archive by itself."""
        self.restart()

    def type(self, line):
        """Types a line as fingers do: keys that come along with others count as pasted text, not as keys."""
        self.press("/")
        self.press(line[1:])
        self.child.send(b"\r")

    def press(self, keys):
        """Types keys and waits until the line of input shows them."""
        self.child.send(keys.encode())
        end = time.monotonic() + WAIT
        while not (shown := self.screen.display[-1].rstrip()).endswith(keys[-8:]) or "Enter commands" in shown:
            check(time.monotonic() < end, "not typed:", keys)
            self.look()

    def open(self, friend):
        """Opens the conversation with a friend."""
        self.type(f"/message {friend}")

    def say(self, friend, text):
        """Sends a message."""
        self.type(f"/message {friend} {text}")

    def befriend(self, friend, nick):
        """Puts somebody into the roster and asks for presence."""
        self.type(f"/add {friend}")

    def allow(self, friend):
        """poezio agrees by itself to whom the person has asked."""

    def sees(self, friend, status):
        """Looks at the friend, whose status stands above the conversation."""
        self.open(friend)
        super().sees(friend, status)

    def away(self, status):
        """Goes away, with a reason."""
        self.type(f"/status away {status}")


# poezio 0.14 shows what comes late twice when the archive has it too: it compares no ids of the server's.
terminal_stories.tell("poezio", Poezio, without=[terminal_stories.offline])
