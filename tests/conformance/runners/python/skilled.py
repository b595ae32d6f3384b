"""Subjects that are objects with several skills."""

from collections import Counter

import hubless
from hubless import Call


def said(ran: str, ctx: Call) -> dict[str, str | None]:
    return {"ran": ran, "skill": ctx.skill}


class Pair:
    def __init__(self, runs: Counter[str]) -> None:
        self.runs = runs

    @hubless.skill()
    async def first(self, *, ctx: Call) -> dict[str, str | None]:
        self.runs["pair"] += 1
        return said("first", ctx)

    @hubless.skill()
    async def second(self, *, ctx: Call) -> dict[str, str | None]:
        self.runs["pair"] += 1
        return said("second", ctx)


class Whole:
    def __init__(self, runs: Counter[str]) -> None:
        self.runs = runs

    async def handle(self, *, ctx: Call) -> dict[str, str | None]:
        self.runs["whole"] += 1
        return said("handle", ctx)

    @hubless.skill()
    async def other(self, *, ctx: Call) -> dict[str, str | None]:
        self.runs["whole"] += 1
        return said("other", ctx)
