"""A screen without a monitor: Xvfb, keys, and pictures of it."""

import os
import struct
import subprocess
import time
import zlib

from cases import check

SIZE = (1000, 700)
WAIT = 30


class Screen:
    """An X server of its own with a session bus; a context manager that ends both."""

    def __init__(self, home):
        self.home = home
        self.running = []

    def __enter__(self):
        size = f"{SIZE[0]}x{SIZE[1]}x24"
        reader, writer = os.pipe()
        command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", size, "-fbdir", self.home, "-nolisten", "tcp"]
        self.start(command, pass_fds=[writer])
        os.close(writer)
        with os.fdopen(reader) as said:
            display = said.readline().strip()
        check(display, "no X server")
        bus = self.start(["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE)
        address = bus.stdout.readline().strip().decode()
        self.environment = {
            **os.environ,
            "DBUS_SESSION_BUS_ADDRESS": address,
            "DISPLAY": f":{display}",
            # Drawn by the processor: there is no other.
            "GDK_BACKEND": "x11",
            "GSK_RENDERER": "cairo",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_DATA_HOME": str(self.home / "share"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_RUNTIME_DIR": str(self.home),
        }
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            self.end(process)

    def start(self, command, **options):
        """Starts a process that ends with the screen at the latest."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        self.running.append(process)
        return process

    def end(self, process):
        """Ends one of the processes."""
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def keys(self, *arguments):
        """Runs xdotool and returns what it says."""
        done = subprocess.run(["xdotool", *arguments], env=self.environment, capture_output=True, text=True)
        check(done.returncode == 0, "xdotool", arguments, done.stderr)
        return done.stdout

    def window(self, name):
        """Waits for a window of that class, and gives it the keys; there is no window manager to do so."""
        end = time.monotonic() + WAIT
        while True:
            found = ["xdotool", "search", "--onlyvisible", "--class", name]
            done = subprocess.run(found, env=self.environment, capture_output=True, text=True)
            if done.stdout.split():
                break
            check(time.monotonic() < end, "no window of", name)
            time.sleep(0.1)
        window = done.stdout.split()[-1]
        self.keys("windowsize", window, str(SIZE[0]), str(SIZE[1]))
        self.keys("windowmove", window, "0", "0")
        self.keys("windowfocus", window)
        return window

    def picture(self, path):
        """Writes what the screen shows as PNG. Xvfb keeps it in a file in the form of XWD, 32 bits a pixel."""
        data = (self.home / "Xvfb_screen0").read_bytes()
        header = struct.unpack(">25I", data[:100])
        width, height, line, colours = header[4], header[5], header[12], header[19]
        start = header[0] + colours * 12
        rows = bytearray()
        for row in range(height):
            pixels = data[start + row * line : start + row * line + width * 4]
            rows.append(0)
            colour = bytearray(width * 3)
            colour[0::3], colour[1::3], colour[2::3] = pixels[2::4], pixels[1::4], pixels[0::4]
            rows += colour
        chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
        chunks += [(b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b"")]
        with path.open("wb") as out:
            out.write(b"\x89PNG\r\n\x1a\n")
            for kind, body in chunks:
                out.write(struct.pack(">I", len(body)) + kind + body)
                out.write(struct.pack(">I", zlib.crc32(kind + body)))
