"""A case with SIGKILL: while accounts are added and messages flow, the server dies; what it had said stays."""

import threading

from OpenSSL import SSL

from binding import Raw
from cases import case, check
from server import Eyot

ROUNDS = 3
ACCOUNTS = 12
RESTART = 3  # seconds that count as "at once"


class Chatter(threading.Thread):
    """Two sessions that send to each other until the server is gone."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.received = 0
        self.ends = [Raw(server, direct=True) for _ in range(2)]
        self.names = [raw.login(name, server.passwords[name]) for raw, name in zip(self.ends, ("alice", "bob"))]
        self.started, self.doomed = threading.Event(), threading.Event()
        self.fault = None

    def run(self):
        try:
            while True:
                for sender, receiver, name in zip(self.ends, reversed(self.ends), reversed(self.names)):
                    sender.send(f"<message type='chat' to='{name}'><body>{self.received}</body></message>")
                    body = receiver.read().find("{jabber:client}body")
                    check(body.text == str(self.received), body.text)
                    self.received += 1
                    self.started.set()
        except (OSError, SSL.Error) as error:
            # Only the kill may break a connection.
            if not self.doomed.is_set():
                self.fault = error
        except Exception as error:  # A thread that ends tells nobody why; the case asks.
            self.fault = error


class Adder(threading.Thread):
    """Adds accounts until it is told to end; keeps what was acknowledged.

    Without a server `eyot user add` opens the store itself: the one under way at the kill may yet succeed, and then
    it counts.
    """

    def __init__(self, server, prefix):
        super().__init__(daemon=True)
        self.server, self.prefix = server, prefix
        self.acknowledged, self.enough, self.over = [], threading.Event(), threading.Event()

    def run(self):
        number = 0
        while not self.over.is_set():
            name = f"{self.prefix}-{number}"
            number += 1
            if self.server.try_add(name):
                self.acknowledged.append(name)
            if len(self.acknowledged) == ACCOUNTS:
                self.enough.set()


@case("kill -9: every account that was told to exist exists after the restart")
def kill(shared):
    with Eyot(shared.program, shared.data.parent / "kill") as server:
        everybody = []
        for number in range(ROUNDS):
            chatter, adder = Chatter(server), Adder(server, f"round{number}")
            chatter.start()
            check(chatter.started.wait(20), "no message flowed:", chatter.fault)
            before = chatter.received
            adder.start()
            check(adder.enough.wait(60), "only", len(adder.acknowledged), "accounts were added")
            flowed = chatter.received - before
            check(chatter.is_alive() and flowed, flowed, "messages beside the accounts, then", repr(chatter.fault))
            chatter.doomed.set()
            server.kill()
            adder.over.set()
            adder.join(20)
            chatter.join(20)
            check(not adder.is_alive() and not chatter.is_alive(), "somebody still believes in the server")
            check(chatter.fault is None, "the messages did not end with the connection:", repr(chatter.fault))
            everybody += adder.acknowledged
            took = server.start()
            print(f"       {flowed} messages, {len(adder.acknowledged)} accounts, killed, up again after {took:.2f} s")
            check(took < RESTART, "the restart took", took, "s")
            listed = set(server.users())
            missing = [name for name in everybody if f"{name}@{server.domain}" not in listed]
            check(not missing, "gone:", missing)
            for name in adder.acknowledged:
                raw = Raw(server)
                raw.login(name, server.passwords[name])
                raw.close()
