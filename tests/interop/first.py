"""A case with the first start: what the server prints for its operator works as it stands, typed into a shell."""

import os
import re
import subprocess
import sys
import time

from cases import case, check
from server import START, Eyot

WAIT = 60


class First(Eyot):
    """A server of the default domain, with nobody but the account that it makes itself."""

    domain = "localhost"
    people = ()

    def printed(self, name):
        """Returns what the line of that name says. The listeners answer before it is printed."""
        end = time.monotonic() + START
        while not (found := re.search(rf"^  {name} +(.+)\n", self.log.read_text(), re.MULTILINE)):
            check(time.monotonic() < end, "no line", repr(name), self.log_tail())
            time.sleep(0.02)
        return found[1]


def typed(line):
    """Runs a line of shell from another directory, with the Python that has slixmpp first on the path."""
    environment = {**os.environ, "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]}
    done = subprocess.run(line, shell=True, cwd="/", env=environment, capture_output=True, text=True, timeout=WAIT)
    check(done.returncode == 0, line, "ended with", done.returncode, done.stdout, done.stderr)
    return done.stdout


@case("first start: the printed lines log in and add a user as they stand")
def first(shared):
    # Quotes and spaces are what a printed line gets wrong first.
    with First(shared.program, shared.data.parent / "first start of 'eyot'") as server:
        check("(shown this once)" in server.printed("account"), server.log_tail())
        said = typed(server.printed("log in"))
        check(f"logged in as admin@{server.domain}/" in said, said)
        said = typed(server.printed("add a user"))
        check(server.users() == [f"{name}@{server.domain}" for name in ("admin", "alice")], said, server.users())
