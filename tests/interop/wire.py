"""A TCP relay between a client and the server that can cut, stall, and turn away."""

import contextlib
import itertools
import socket
import struct
import threading

CLIENT, SERVER = "client", "server"
# Linger for no time: closing sends RST, as a middlebox or a dying host does.
RESET = struct.pack("ii", 1, 0)


class Wire:
    """A relay to one port of the server. Its own port outlives the server; a context manager that ends it."""

    def __init__(self, server, address="127.0.0.1", port=0):
        self.target = (server.address, server.starttls_port)
        self.address = address
        self.lock = threading.Condition()
        self.pairs, self.stalled, self.refusing, self.accepted = [], set(), False, 0
        self.listener = socket.create_server((self.address, port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut()

    def listen(self):
        """Takes connections and relays them, or turns them away."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.refusing:
                    raise ConnectionRefusedError("turned away")
                server = socket.create_connection(self.target, timeout=5)
            except OSError:
                reset(client)
                continue
            server.settimeout(None)
            with self.lock:
                self.accepted += 1
                self.pairs.append((client, server))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.relay, args=(source, sink), daemon=True).start()

    def relay(self, source, sink):
        """Moves bytes one way until an end is closed. How it ended is passed on, except by a stalled connection."""
        ending = reset
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self.lock:
                    self.lock.wait_for(lambda: sink not in self.stalled or not self.holds(sink))
                    # What a cut connection has held is lost with it.
                    if not self.holds(sink):
                        return
                sink.sendall(data)
            ending = finish
        with self.lock:
            if sink not in self.stalled and self.holds(sink):
                ending(sink)

    def holds(self, end):
        """Tells whether a connection with this end has not been cut."""
        return any(end in pair for pair in self.pairs)

    def stall(self, *towards):
        """Lets no more bytes through towards these ends (both, if none is named) of the connections there are."""
        wanted = towards or (CLIENT, SERVER)
        with self.lock:
            for client, server in self.pairs:
                self.stalled |= {end for name, end in ((CLIENT, client), (SERVER, server)) if name in wanted}

    def cut(self, *, refuse=False):
        """Resets every connection at both ends; bytes under way are lost. New ones may be turned away from here on."""
        with self.lock:
            self.refusing = refuse
            pairs, self.pairs = self.pairs, []
            self.stalled.clear()
            self.lock.notify_all()
        for end in itertools.chain(*pairs):
            reset(end)

    def mend(self):
        """Takes new connections again."""
        self.refusing = False


def finish(end):
    """Sends FIN."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_WR)


def reset(end):
    """Closes with RST. A relay that reads from this end at the moment would hold it open: it is woken."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        end.shutdown(socket.SHUT_RD)
    end.close()
