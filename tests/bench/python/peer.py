"""A caller that the peers' own code measures: their folder of Python is in ``PYTHONPATH``."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable

import uvloop
from measure import Caller

import hubless


async def connect() -> Callable[[str], Awaitable[str]]:
    """Gives what the peers give: a function of a body, on a node of its own."""
    return Caller(await hubless.Node.start(), "bench").ask


async def run() -> None:
    """Hands it over; their code prints the result and ends the process."""
    await importlib.import_module("common").client("hubless", connect)


if __name__ == "__main__":
    uvloop.run(run())
