"""A core that does what a test says: it records what is submitted and queues what it is told."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import pytest

from hubless import _core

Event = tuple[int, int, bytes, list[bytes]]


class FakeCore:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.submitted: list[tuple[int, str, dict[str, Any]]] = []
        self.cancelled: list[int] = []
        self.closed = False
        self.queue: list[Event] = []
        self.lock = threading.Condition()
        self.fd = -1
        for name in ("open", "submit", "cancel", "drain", "wait", "ring_fd", "unring", "close"):
            monkeypatch.setattr(_core, name, getattr(self, name))

    def push(self, kind: int, ticket: int, body: Any) -> None:
        """Queues an event; rings when the queue was empty; from any thread."""
        with self.lock:
            empty = not self.queue
            self.queue.append((kind, ticket, json.dumps(body).encode(), []))
            self.lock.notify_all()
            if empty and self.fd >= 0:
                os.eventfd_write(self.fd, 1)

    def ticket_of(self, op: str) -> int:
        return next(ticket for ticket, name, _ in self.submitted if name == op)

    def open(self) -> int:
        return 1

    def submit(self, _: int, ticket: int, op: str, body: bytes, __: list[bytes]) -> bool:
        self.submitted.append((ticket, op, json.loads(body)))
        return not self.closed

    def cancel(self, _: int, ticket: int) -> None:
        self.cancelled.append(ticket)

    def drain(self, _: int, limit: int) -> list[Event]:
        with self.lock:
            taken, self.queue = self.queue[:limit], self.queue[limit:]
        return taken

    def wait(self, _: int, timeout: float) -> bool:
        with self.lock:
            self.lock.wait_for(lambda: self.queue or self.closed, timeout)
            return not self.closed

    def ring_fd(self, _: int) -> int:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK)
        return self.fd

    def unring(self, _: int) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def close(self, _: int) -> None:
        with self.lock:
            self.closed = True
            self.lock.notify_all()
