"""Other processes and nodes of a test's home: started, read, and ended with it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import IO

import hubless


class Programs:
    """Starts programs of one home and ends what is left of them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.running: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment(self.home),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )
        self.running.append(process)
        return process

    def code(self, source: str) -> subprocess.Popen[str]:
        return self.start("-c", textwrap.dedent(source))

    def end(self) -> None:
        for process in self.running:
            process.kill()
            process.communicate()


def environment(home: Path) -> dict[str, str]:
    """Gives the environment of another process of the same home."""
    package = str(Path(__file__).parent.parent)
    return {**os.environ, "HUBLESS_HOME": str(home), "PYTHONPATH": package}


async def knows(node: hubless.Node, name: str) -> None:
    """Waits until a node knows an agent of another one: a request waits for no more than 1 s."""
    await node.peer(filter=hubless.where("name").equals(name), wait=20)


def line_of(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()
