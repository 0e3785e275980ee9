#!/usr/bin/env python3
"""Records how Linux TCP behaves when packets are late or lost, for the simulator's model to be compared with.

    record.py --out tests/tcp/recordings [CASE..]

Each case has two network namespaces of its own, each with a TUN device. This program is the router between them: it
reads IP packets from one device, drops those that the case says, and writes the others to the other device after the
delay of the link. It is the application on both sides too, so that one clock stamps everything. All of it is one thread.
The namespaces are removed at the end, also after a failure; nothing else on the machine is changed. Needs Linux and root.

A recording is text. Lines with `#` are its head. Then, in microseconds since the start:

    TIME WAY FLAGS seq N len N ack N win N [rtx] [probe] [lost]     a packet as its sender's device gave it out
    TIME app SIDE WHAT                                              what an application did or saw

WAY is `>` from the client or `<` from the server. `seq` and `ack` count from the first SYN of their direction. `rtx`
is a retransmission, `probe` an empty segment from before the end of what was sent, `lost` what the router dropped;
everything else reaches the other device after the delay.
"""

import argparse
import ctypes
import errno
import fcntl
import heapq
import os
import pathlib
import platform
import select
import signal
import socket
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000

DEVICE = "eyot0"
ADDRESS = {"client": "10.77.0.1", "server": "10.77.0.2"}
WAY = {"client": ">", "server": "<"}
PORT = 5222
DELAY_US = 20_000
MTU = 1500
# Payload of a full segment: the MTU less the headers of IPv4 and TCP and the timestamps that Linux adds.
SEGMENT = MTU - 40 - 12
SECOND = 1_000_000

# Set on the sockets, so that a machine's own choice does not matter.
CONGESTION = b"cubic"
# Written into the head: what these timings depend on.
SHOWN = [
    "tcp_early_retrans", "tcp_frto", "tcp_recovery", "tcp_retries2", "tcp_rto_max_ms",
    "tcp_rto_min_us", "tcp_sack", "tcp_syn_linear_timeouts", "tcp_syn_retries", "tcp_timestamps",
]  # fmt: skip

LIBC = ctypes.CDLL(None, use_errno=True)


def ip(*args):
    subprocess.run(["ip", *args], check=True)


def prepare(sock):
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONGESTION)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Inside:
    """Within `with Inside(namespace)`, what this thread opens belongs to that namespace."""

    def __init__(self, namespace):
        self.target = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    def __enter__(self):
        self.enter(self.target)

    def __exit__(self, *_):
        self.enter(self.home)
        os.close(self.target)
        os.close(self.home)

    @staticmethod
    def enter(fd):
        if LIBC.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class Packet:
    """What the router and the cases want to know of one TCP segment."""

    FLAGS = [(2, "S"), (1, "F"), (4, "R"), (8, "P"), (16, "A")]

    def __init__(self, way, data):
        head = (data[0] & 15) * 4
        total = struct.unpack_from("!H", data, 2)[0]
        self.seq, self.ack, offset, self.bits, self.window = struct.unpack_from("!IIBBH", data, head + 4)
        self.way = way
        self.len = total - head - (offset >> 4) * 4
        self.syn, self.fin = bool(self.bits & 2), bool(self.bits & 1)
        self.again = False
        # How many segments with data this way has seen with this one, retransmissions not counted.
        self.nth = 0

    def flags(self):
        return "".join(name for bit, name in self.FLAGS if self.bits & bit)


class Way:
    """One direction: where its sequence numbers begin, and how far it has come."""

    def __init__(self, source, target):
        self.source, self.target = source, target
        self.first = None
        self.end = 0
        self.sent = 0

    def note(self, packet):
        """Fills in what the packet is in the light of those before it; returns its relative number and marks."""
        if self.first is None:
            self.first = packet.seq
        seq = (packet.seq - self.first) & 0xFFFFFFFF
        length = packet.len + packet.syn + packet.fin
        packet.again = 0 < length and seq + length <= self.end
        probe = length == 0 and not packet.bits & 4 and (seq + 1) & 0xFFFFFFFF <= self.end and seq < self.end
        if packet.len > 0 and not packet.again:
            self.sent += 1
            packet.nth = self.sent
        self.end = max(self.end, seq + length)
        return seq, ("rtx",) * packet.again + ("probe",) * probe


class Rig:
    """Two hosts, the router between them, and one connection."""

    def __init__(self, case):
        self.names = {side: f"eyot-tcp-{os.getpid()}-{case}-{side}" for side in ADDRESS}
        self.made = []
        self.lines = []
        self.sysctls = {}
        self.drop = lambda packet: False
        self.files = []
        self.due = []
        self.count = 0
        self.sockets = {}
        self.connecting = False
        self.reading = {"client", "server"}
        self.written = {"client": 0, "server": 0}
        self.got = {"client": 0, "server": 0}
        self.over = set()

    def __enter__(self):
        try:
            self.set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def set_up(self):
        tuns = {side: self.make(side) for side in ADDRESS}
        self.ways = {
            ">": Way(tuns["client"], tuns["server"]),
            "<": Way(tuns["server"], tuns["client"]),
        }
        with Inside(self.names["server"]):
            self.listener = socket.create_server((ADDRESS["server"], PORT))
        self.files.append(self.listener)
        prepare(self.listener)
        self.start = time.monotonic_ns()

    def __exit__(self, *_):
        for each in [*self.sockets.values(), *self.files]:
            each.close()
        for name in self.made:
            ip("netns", "del", name)

    def make(self, side):
        """Makes a namespace with one device and returns the device's file."""
        name = self.names[side]
        ip("netns", "add", name)
        self.made.append(name)
        with Inside(name):
            for key in SHOWN:
                path = pathlib.Path("/proc/sys/net/ipv4", key)
                self.sysctls[key] = path.read_text().strip() if path.exists() else "absent"
            tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            self.files.append(os.fdopen(tun, "r+b", buffering=0))
            fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
        ip("-n", name, "link", "set", DEVICE, "mtu", str(MTU), "up")
        ip("-n", name, "address", "add", f"{ADDRESS[side]}/24", "dev", DEVICE)
        return tun

    def now(self):
        return (time.monotonic_ns() - self.start) // 1000

    def say(self, side, what):
        self.lines.append(f"{self.now()} app {side} {what}")

    # What the applications do.

    def connect(self, **options):
        """Starts to connect; `options` are the client's socket options by name."""
        with Inside(self.names["client"]):
            client = socket.socket()
        prepare(client)
        for name, value in options.items():
            level = socket.IPPROTO_TCP if name.startswith("TCP_") else socket.SOL_SOCKET
            client.setsockopt(level, getattr(socket, name), value)
        self.sockets["client"] = client
        self.connecting = True
        self.say("client", "connects")
        client.connect_ex((ADDRESS["server"], PORT))

    def open(self, **options):
        """Connects and goes on until both sides have the connection."""
        self.connect(**options)
        while self.connecting or "server" not in self.sockets:
            self.turn(self.now() + SECOND)
        # The last acknowledgement and whatever else is under way.
        self.run(100_000)

    def write(self, side, count):
        """Writes until `count` bytes are taken or the system takes no more; returns how many it took."""
        taken = 0
        try:
            while taken < count:
                taken += self.sockets[side].send(bytes(min(count - taken, 16 * 1024)))
        except BlockingIOError:
            pass
        except OSError as error:
            self.say(side, f"error {errno.errorcode[error.errno]}")
            self.over.add(side)
        self.written[side] += taken
        if taken > 0:
            self.say(side, f"wrote {self.written[side]}")
        return taken

    def finish(self, side):
        self.say(side, "finishes")
        self.sockets[side].shutdown(socket.SHUT_WR)

    def close(self, side):
        self.say(side, "closes")
        self.sockets.pop(side).close()

    def fault(self, what, drop):
        self.say("world", what)
        self.drop = drop

    # The loop.

    def run(self, span_us):
        """Lets the world go on for so long."""
        until = self.now() + span_us
        while self.now() < until:
            self.turn(until)

    def turn(self, until):
        """Waits for the next thing to happen, at most until then, and does it."""
        wait = min([until] + [at for at, *_ in self.due[:1]]) - self.now()
        readers = [way.source for way in self.ways.values()] + [self.listener]
        readers += [self.sockets[side] for side in self.reading - self.over if side in self.sockets]
        writers = [self.sockets["client"]] if self.connecting else []
        ready, open_now, _ = select.select(readers, writers, [], max(wait, 0) / SECOND)
        while self.due and self.due[0][0] <= self.now():
            _, _, target, data = heapq.heappop(self.due)
            os.write(target, data)
        for name, way in self.ways.items():
            if way.source in ready:
                self.route(name, way)
        if open_now:
            self.connected()
        if self.listener in ready:
            self.sockets["server"], _ = self.listener.accept()
            prepare(self.sockets["server"])
            self.say("server", "accepted")
        for side in sorted(self.reading):
            if self.sockets.get(side) in ready and not (side == "client" and self.connecting):
                self.read(side)

    def route(self, name, way):
        """Takes everything the device has to give."""
        while True:
            try:
                data = os.read(way.source, 65536)
            except BlockingIOError:
                return
            if data[0] >> 4 != 4 or data[9] != socket.IPPROTO_TCP:
                continue
            now = self.now()
            packet = Packet(name, data)
            seq, marks = way.note(packet)
            back = self.ways["<" if name == ">" else ">"]
            ack = (packet.ack - back.first) & 0xFFFFFFFF if packet.bits & 16 and back.first is not None else 0
            if self.drop(packet):
                marks += ("lost",)
            else:
                self.count += 1
                heapq.heappush(self.due, (now + DELAY_US, self.count, way.target, data))
            text = f"{now} {name} {packet.flags()} seq {seq} len {packet.len} ack {ack} win {packet.window}"
            self.lines.append(" ".join([text, *marks]))

    def connected(self):
        self.connecting = False
        error = self.sockets["client"].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.say("client", f"error {errno.errorcode[error]}" if error else "connected")

    def read(self, side):
        try:
            data = self.sockets[side].recv(1 << 20)
        except BlockingIOError:
            return
        except OSError as error:
            self.say(side, f"error {errno.errorcode[error.errno]}")
            self.over.add(side)
            return
        self.got[side] += len(data)
        if data:
            self.say(side, f"read {self.got[side]}")
        else:
            self.say(side, "end")
            self.over.add(side)


def syn(count):
    """A rule that drops the client's first SYNs."""
    left = [count]

    def drop(packet):
        hit = packet.syn and packet.way == ">" and left[0] > 0
        left[0] -= hit
        return hit

    return drop


def nth(number):
    """A rule that drops the client's n-th segment with data, once."""
    return lambda packet: packet.way == ">" and packet.nth == number


def everything(_):
    return True


def nothing(_):
    return False


def connect(rig):
    """A connection is made and nothing is lost."""
    rig.open()


def syn_lost_1(rig):
    """The first SYN is lost."""
    rig.drop = syn(1)
    rig.open()


def syn_lost_3(rig):
    """The first three SYNs are lost."""
    rig.drop = syn(3)
    rig.open()


def middle_lost(rig):
    """Ten full segments are written at once; the third is lost."""
    rig.open()
    rig.drop = nth(3)
    rig.write("client", 10 * SEGMENT)
    rig.run(SECOND)


def tail_lost(rig):
    """Five full segments are written at once; the last is lost."""
    rig.open()
    rig.drop = nth(5)
    rig.write("client", 5 * SEGMENT)
    rig.run(SECOND)


def lone_lost(rig):
    """One small segment is written and lost."""
    rig.open()
    rig.drop = nth(1)
    rig.write("client", 100)
    rig.run(SECOND)


def bulk(rig):
    """Thirty full segments are written at once and nothing is lost."""
    rig.open()
    rig.write("client", 30 * SEGMENT)
    rig.run(500_000)


def flow(rig, count):
    """The client writes 100 bytes `count` times, five times in a second."""
    for _ in range(count):
        rig.write("client", 100)
        rig.run(200_000)


def black_hole(rig):
    """A small write every 200 ms; after the fifth nothing passes for 5 s, either way."""
    rig.open()
    flow(rig, 5)
    rig.fault("cut both", everything)
    flow(rig, 25)
    rig.fault("healed", nothing)
    flow(rig, 20)


def acks_lost(rig):
    """A small write every 200 ms; after the fifth nothing passes from server to client for 3 s."""
    rig.open()
    flow(rig, 5)
    rig.fault("cut <", lambda packet: packet.way == "<")
    flow(rig, 15)
    rig.fault("healed", nothing)
    flow(rig, 15)


def half_close(rig):
    """The client asks and ends its direction; the server answers when it has seen the end."""
    rig.open()
    rig.write("client", 100)
    rig.finish("client")
    while "server" not in rig.over:
        rig.turn(rig.now() + SECOND)
    rig.write("server", 5000)
    rig.finish("server")
    rig.run(200_000)


def write_to_closed(rig):
    """The server closes; the client, which has seen the end, writes all the same, twice."""
    rig.open()
    rig.close("server")
    rig.run(200_000)
    rig.write("client", 100)
    rig.run(200_000)
    rig.write("client", 100)


def slow_reader(rig):
    """The server does not read; the client writes what its system takes. After two seconds the server reads all."""
    rig.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    rig.reading.discard("server")
    rig.open(SO_SNDBUF=65536)
    for _ in range(40):
        rig.write("client", 1 << 20)
        rig.run(50_000)
    rig.say("server", "reads")
    rig.reading.add("server")
    rig.run(SECOND)


def user_timeout(rig):
    """`TCP_USER_TIMEOUT` is four seconds; nothing passes from the first write on."""
    rig.open(TCP_USER_TIMEOUT=4000)
    rig.fault("cut both", everything)
    rig.write("client", 100)
    while "client" not in rig.over:
        rig.turn(rig.now() + SECOND)


CASES = [
    connect, syn_lost_1, syn_lost_3, middle_lost, tail_lost, lone_lost, bulk, black_hole, acks_lost, half_close,
    write_to_closed, slow_reader, user_timeout,
]  # fmt: skip


def record(case):
    """Plays one case and returns the text of its recording."""
    with Rig(case.__name__.replace("_", "-")) as rig:
        case(rig)
    head = [
        f"# case: {case.__doc__}",
        # Without what a distribution or a machine appends.
        f"# kernel: Linux {platform.release().split('-')[0]}",
        f"# delay: {DELAY_US} us each way",
        f"# segment: {SEGMENT} bytes",
        f"# congestion control: {CONGESTION.decode()}",
    ]
    head += [f"# {name}: {value}" for name, value in sorted(rig.sysctls.items())]
    return "\n".join(head + rig.lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    cases = {case.__name__.replace("_", "-"): case for case in CASES}
    strangers = [name for name in args.cases if name not in cases]
    if strangers:
        sys.exit(f"there is no case {', '.join(strangers)}; there are {', '.join(cases)}")
    if os.geteuid() != 0:
        sys.exit("namespaces and devices need root")
    # An interrupted recording removes its namespaces too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("interrupted"))
    # Other work on the machine would be taken for the network's delay.
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.cases or cases:
        start = time.monotonic()
        text = record(cases[name])
        (args.out / f"{name}.txt").write_text(text)
        print(f"{name:<16} {time.monotonic() - start:5.1f} s {text.count(chr(10)):4} lines")


if __name__ == "__main__":
    main()
