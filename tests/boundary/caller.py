"""What the caller does in every test: asks, holds a call pending, and makes 1,000 further ones."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from subjects import PATIENCE, Subject

import hubless
from hubless import Node, Options, Reply, errors

FURTHER = 1_000
AT_ONCE = 50
WAIT = 20.0
# What becomes of a call whose other end is gone.
LOST = {"transport", "unknown_outcome", "closed", "cancelled", "handler_failed"}


class Hold:
    """Is a call of a subject to the caller's own agent, which waits until it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.released = asyncio.Event()

    async def wait(self) -> str:
        self.begun.set()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return "released"


class Pending:
    """Is a call to a subject that waits for the caller's own agent."""

    def __init__(self, reply: asyncio.Future[Reply], hold: Hold) -> None:
        self.reply = reply
        self.hold = hold

    async def answered(self) -> None:
        """Lets it end as it should."""
        assert not self.reply.done()
        self.hold.released.set()
        assert (await asyncio.wait_for(self.reply, PATIENCE)).value == "released"

    async def lost(self, kinds: set[str] = LOST) -> str:
        """Waits until both directions are given up, each in a typed way; gives the kind."""
        with pytest.raises(hubless.Error) as raised:
            await asyncio.wait_for(self.reply, PATIENCE)
        assert raised.value.kind in kinds, raised.value
        await asyncio.wait_for(self.hold.cancelled.wait(), PATIENCE)
        return str(raised.value.kind)


class Caller:
    def __init__(self, node: Node) -> None:
        self.node = node
        self.begun: list[asyncio.Future[Any]] = []
        self.held: dict[str, Hold] = {}

    async def register(self) -> None:
        """Offers the agent that subjects ask."""

        async def hold(tag: str, /) -> str:
            return await self.held[tag].wait()

        await self.node.register(hold)

    def begin(self, subject: Subject, agent: str, *value: Any) -> asyncio.Future[Any]:
        """Begins a call that no answer is expected of."""
        call = asyncio.ensure_future(self.ask(subject, agent, *value))
        self.begun.append(call)
        return call

    async def begin_beside(self, subject: Subject) -> asyncio.Future[Any]:
        """Begins a second event loop, and a call to its agent that is never answered."""
        before = (await self.stats(subject))["handles"]
        await self.ask(subject, "loops")
        call = self.begin(subject, "beside")
        until = time.monotonic() + PATIENCE
        # A session, an agent and a call more: the count is able to rise.
        while (await self.stats(subject))["handles"] < before + 3:
            assert not call.done(), call
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
        return call

    async def is_lost(self, call: asyncio.Future[Any]) -> None:
        with pytest.raises(hubless.Error) as raised:
            await asyncio.wait_for(call, PATIENCE)
        assert raised.value.kind in LOST, raised.value

    async def all_lost(self) -> None:
        for call in self.begun:
            await self.is_lost(call)

    async def ask(self, subject: Subject, agent: str, *value: Any, total: float = PATIENCE) -> Any:
        options = Options(wait=WAIT, total_timeout=total)
        reply = await self.node.request(subject.name(agent), *value, options=options)
        return reply.value

    async def stats(self, subject: Subject) -> dict[str, int]:
        found: dict[str, int] = await self.ask(subject, "stats")
        return found

    async def holds(self, subject: Subject) -> Pending:
        """Makes a call that is pending in both directions."""
        hold = self.held[subject.language] = Hold()
        options = Options(wait=WAIT)
        asked = self.node.request(subject.name("relay"), subject.language, options=options)
        reply = asyncio.ensure_future(asked)
        begun = asyncio.ensure_future(hold.begun.wait())
        await asyncio.wait([reply, begun], timeout=PATIENCE, return_when="FIRST_COMPLETED")
        begun.cancel()
        assert hold.begun.is_set(), reply
        return Pending(reply, hold)

    async def meets(self, subject: Subject) -> hubless.Peer:
        """Finds the agent of this process: one that is gone may be known for a moment."""
        named = hubless.where("name").equals(subject.name("steady"))
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for peer in await self.node.find(filter=named, wait=WAIT):
                if peer.node_key == subject.node_key:
                    return peer
            await asyncio.sleep(0.01)
        raise AssertionError(f"nobody knows the node of {subject.said()}")

    async def serves_further(self, subject: Subject) -> None:
        """Counts right answers of this very process."""
        peer = await self.meets(subject)
        right = 0
        for first in range(0, FURTHER, AT_ONCE):
            numbers = range(first, first + AT_ONCE)
            replies = await asyncio.gather(*(peer.request(n) for n in numbers))
            right += sum(
                (reply.value, reply.agent.node_key) == (n + 1, subject.node_key)
                for n, reply in zip(numbers, replies, strict=True)
            )
        assert right == FURTHER

    async def settles(self, subject: Subject, **wanted: int) -> None:
        """Waits until a subject counts this."""
        until = time.monotonic() + PATIENCE
        found = await self.stats(subject)
        while {key: found[key] for key in wanted} != wanted:
            assert time.monotonic() < until, (found, wanted)
            await asyncio.sleep(0.01)
            found = await self.stats(subject)

    async def free(self, subject: Subject) -> Any:
        """Asks the agent that takes one call at a time, once its place is free."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return await self.ask(subject, "never", False)
            except errors.BusyError:
                assert time.monotonic() < until
                await asyncio.sleep(0.01)
