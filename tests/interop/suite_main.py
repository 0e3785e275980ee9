"""Runs files of slixmpp's integration tests; writes a line of JSON for each test. `suite.py` starts it.

The name of the server's domain stands in no DNS: this process alone knows which address it has.
"""

import importlib
import json
import logging
import os
import socket
import sys
import unittest

RESOLVE = socket.getaddrinfo


def resolve(host, *rest, **options):
    """Resolves the one name that is ours, and everything else as usual."""
    return RESOLVE(os.environ["EYOT_ADDRESS"] if host == os.environ["EYOT_DOMAIN"] else host, *rest, **options)


class Lines(unittest.TestResult):
    """Writes what became of each test."""

    def __init__(self, file):
        super().__init__()
        self.file = file

    def write(self, test, outcome, detail=""):
        entry = {"file": self.file, "test": test.id(), "outcome": outcome, "detail": detail}
        print(json.dumps(entry), flush=True)

    def addSuccess(self, test):
        self.write(test, "ok")

    def addError(self, test, err):
        self.write(test, "error", self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        self.write(test, "failed", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self.write(test, "skipped", reason)


def main():
    logging.disable(logging.CRITICAL)
    socket.getaddrinfo = resolve
    for name in sys.argv[1:]:
        importlib.import_module(f"itests.test_{name}").suite.run(Lines(name))


if __name__ == "__main__":
    main()
