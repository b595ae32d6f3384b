"""Stands between the hosts: loses, repeats, delays and overtakes their datagrams.

Each host has a cable that ends here, and nothing but this carries frames from one to another. See
``tests/chaos/CHAOS.md``.
"""

from __future__ import annotations

import argparse
import collections
import heapq
import json
import random
import selectors
import socket
import sys
import time

ETHERNET, IP, ARP, UDP = 14, 0x0800, 0x0806, 17
BROADCAST = b"\xff" * 6
FRAME_MAX = 1 << 16
# Of a thousand datagrams: lost, repeated, overtaken by those behind them.
LOST, TWICE, LATE = 40, 40, 40
LEAST_SECONDS, MOST_SECONDS = 0.0005, 0.002
BEHIND_SECONDS = 0.008
# Frames that wait; more are lost.
WAITING = 16_384


class Shim:
    """Carries frames, as its seed says."""

    def __init__(self, devices: list[str], seed: int) -> None:
        self.chance = random.Random(seed)
        self.counts = collections.Counter(carried=0, lost=0, twice=0, late=0)
        self.waiting: list[tuple[float, int, socket.socket, bytes]] = []
        self.number = 0
        self.known: dict[bytes, socket.socket] = {}
        self.ends: list[socket.socket] = []
        self.ready = selectors.DefaultSelector()
        for device in devices:
            # One that asked for every protocol would hear what it sends as well.
            end = self.open(device, IP)
            self.ready.register(end, selectors.EVENT_READ, end)
            self.ready.register(self.open(device, ARP), selectors.EVENT_READ, end)
            self.ends.append(end)
        self.ready.register(sys.stdin, selectors.EVENT_READ, None)

    @staticmethod
    def open(device: str, protocol: int) -> socket.socket:
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        end.bind((device, protocol))
        end.setblocking(False)
        return end

    def run(self) -> None:
        while True:
            now = time.monotonic()
            while self.waiting and self.waiting[0][0] <= now:
                _, _, end, frame = heapq.heappop(self.waiting)
                self.send(end, frame)
            wait = self.waiting[0][0] - now if self.waiting else None
            for key, _ in self.ready.select(wait):
                if key.data is not None:
                    self.take(key.fileobj, key.data)
                elif sys.stdin.readline():
                    print(json.dumps(self.counts), flush=True)
                else:
                    return

    def take(self, heard: socket.socket, end: socket.socket) -> None:
        """Takes what came to an end of a cable."""
        while True:
            try:
                frame = heard.recv(FRAME_MAX)
            except BlockingIOError:
                return
            to, came = frame[:6], frame[6:12]
            self.known[came] = end
            known = self.known.get(to) if to != BROADCAST else None
            for other in [known] if known else self.ends:
                if other is not end:
                    self.decide(other, frame)

    def decide(self, end: socket.socket, frame: bytes) -> None:
        """Decides what becomes of a frame."""
        if frame[12:14] != IP.to_bytes(2, "big") or frame[ETHERNET + 9] != UDP:
            self.send(end, frame)
            return
        frame = unsummed(frame)
        falls = self.chance.random() * 1000
        if falls < LOST or len(self.waiting) >= WAITING:
            self.counts["lost"] += 1
            return
        self.counts["carried"] += 1
        self.hold(end, frame)
        if falls < LOST + TWICE:
            self.counts["twice"] += 1
            self.hold(end, frame)

    def hold(self, end: socket.socket, frame: bytes) -> None:
        due = time.monotonic() + self.chance.uniform(LEAST_SECONDS, MOST_SECONDS)
        if self.chance.random() * 1000 < LATE:
            self.counts["late"] += 1
            due += BEHIND_SECONDS
        self.number += 1
        heapq.heappush(self.waiting, (due, self.number, end, frame))

    def send(self, end: socket.socket, frame: bytes) -> None:
        try:
            end.send(frame)
        except OSError:
            # What its queue has no room for is lost, as on any cable.
            self.counts["lost"] += 1


def unsummed(frame: bytes) -> bytes:
    """Gives a datagram without a checksum: its sender leaves that to a card, which is not there."""
    at = ETHERNET + 4 * (frame[ETHERNET] & 0x0F) + 6
    return frame[:at] + b"\x00\x00" + frame[at + 2 :]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("devices", nargs="+")
    given = arguments.parse_args()
    shim = Shim(given.devices, given.seed)
    print(json.dumps({"event": "ready"}), flush=True)
    shim.run()
