"""slixmpp's own integration tests, as its source distribution carries them, unchanged.

They connect to ports 5222 and 5223 of the host that the accounts' domain names, so the server has these ports on a
loopback address of its own, and the tests run in a process that resolves this one name to it (`suite_main.py`).
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import time

from cases import case, check
from library import Person, play
from server import Eyot, some_address

HERE = pathlib.Path(__file__).resolve().parent
WAIT = 90

# Files of the distribution that must pass, whole.
WANTED = [
    "basic_connect_and_message",
    "blocking",
    "bob",
    "chatmarkers",
    "disco",
    "ibb",
    "last_activity",
    "mam",
    "ping",
    "privatestorage",
    "quickresponse",
    "reactions",
    "reconnect",
    "retract",
    "slow_filters",
    "tls_check",
    "vcard",
    "vcard_avatar",
    "version",
]

# Files that are not run: what the server would have to offer, and why it does not. A case below sees to it that
# a reason ends with the day on which the feature is announced.
GROUPS = "http://jabber.org/protocol/muc"
PEP = "http://jabber.org/protocol/pubsub#publish"
SKIPPED = {
    "component": ("jabber:component:accept", "skips itself outside slixmpp's own CI; eyot takes no components"),
    "httpupload": ("urn:xmpp:http:upload:0", "XEP-0363 is not implemented"),
    "moderate": (GROUPS, "XEP-0045 is not implemented"),
    "muc": (GROUPS, "XEP-0045 is not implemented"),
    "pep": (PEP, "XEP-0163 is not implemented"),
    "selfping": (GROUPS, "XEP-0045 is not implemented"),
    "sos": ("urn:xmpp:sos:0", "XEP-0455 is not implemented"),
    "user_avatar": (PEP, "XEP-0084 rests on XEP-0163, which is not implemented"),
}


class Known(Eyot):
    """A server on the ports that everybody knows, of an address of loopback that nobody else has."""

    ports = (5222, 5223)

    def __init__(self, program, data):
        super().__init__(program, data)
        self.address = some_address()


def unpacked(work):
    """Fetches the source distribution, whose hash is given, and unpacks its integration tests."""
    home = work / "suite"
    wanted = (HERE / "suite.txt").read_text()
    stamp = home / "suite.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(home, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        pip += ["--no-binary", ":all:", "--require-hashes", "--dest", home, "-r", HERE / "suite.txt"]
        subprocess.run(pip, check=True)
        [archive] = home.glob("slixmpp-*.tar.gz")
        with tarfile.open(archive) as opened:
            for member in opened:
                _, _, inner = member.name.partition("/")
                if member.isfile() and inner.startswith("itests/"):
                    place = home / "itests" / pathlib.PurePath(inner).name
                    place.parent.mkdir(exist_ok=True)
                    place.write_bytes(opened.extractfile(member).read())
        stamp.write_text(wanted)
    return home


@case("slixmpp's own tests: every file of the distribution is run or skipped for a reason")
def complete(shared):
    files = {path.stem.removeprefix("test_") for path in (unpacked(shared.data.parent) / "itests").glob("test_*.py")}
    check(files == {*WANTED, *SKIPPED}, "unlisted or gone:", files ^ {*WANTED, *SKIPPED})
    for name, (_, reason) in SKIPPED.items():
        print(f"       not run: {name}: {reason}")


@case("slixmpp's own tests: what the skipped files ask for is not announced")
def reasons(server):
    async def story():
        alice = await Person(server, "alice").login()
        ask = alice["xep_0030"].get_info
        announced = set()
        for jid in (server.domain, alice.boundjid.bare):
            announced |= set((await ask(jid=jid, timeout=20))["disco_info"]["features"])
        items = await alice["xep_0030"].get_items(jid=server.domain, timeout=20)
        for jid, *_ in items["disco_items"]["items"]:
            announced |= set((await ask(jid=jid, timeout=20))["disco_info"]["features"])
        stale = [name for name, (feature, _) in SKIPPED.items() if feature in announced]
        check(not stale, "there is no reason to skip:", stale)
        await alice.leave()

    play(story())


async def acquaint(server):
    """Lets the two accounts see each other's presence: only then a server passes on questions (RFC 6121, 8.5.3.1)."""
    people = [await Person(server, name).login() for name in server.people]
    # Both agree by themselves, and ask back.
    people[0].send_presence_subscription(pto=people[1].boundjid.bare)
    end = time.monotonic() + 20
    for person, other in (people, reversed(people)):
        while person.client_roster[other.boundjid.bare]["subscription"] != "both":
            check(time.monotonic() < end, "no subscription between the accounts of the tests")
            await person.get_roster()
    for person in people:
        await person.leave()


def outcomes(program, work):
    """Runs the wanted files against a server of their own; returns the outcomes of each file's tests."""
    home = unpacked(work)
    with Known(program, work / "known") as server:
        play(acquaint(server))
        environment = {
            **os.environ,
            "SSL_CERT_FILE": str(server.certificate),
            "EYOT_DOMAIN": server.domain,
            "EYOT_ADDRESS": server.address,
            "PYTHONPATH": str(home),
        }
        for number, name in enumerate(server.people, 1):
            environment[f"CI_ACCOUNT{number}"] = f"{name}@{server.domain}"
            environment[f"CI_ACCOUNT{number}_PASSWORD"] = server.passwords[name]
        command = [sys.executable, HERE / "suite_main.py", *WANTED]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=WAIT)
    found = {name: [] for name in WANTED}
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        found[entry["file"]].append(entry)
    check(done.returncode == 0, done.stderr)
    return found


FOUND = {}


def passes(name):
    """Makes the case of one file: it has tests, each of them passed."""

    def run(shared):
        if not FOUND:
            FOUND.update(outcomes(shared.program, shared.data.parent))
        check(FOUND[name], "no test ran")
        bad = [entry for entry in FOUND[name] if entry["outcome"] != "ok"]
        check(not bad, "\n".join(f"{entry['test']}: {entry['outcome']}\n{entry['detail']}" for entry in bad))

    return run


for name in WANTED:
    case(f"slixmpp's own tests: {name}")(passes(name))
