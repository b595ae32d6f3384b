"""Each way in which a handler can lose its call: it draws on the budget or is refused.

The ways are those of the conformance runner. Where a node lets such requests through, the same
look at the switch finds them free, so it would find them here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import hubless
from hubless import Call, KillSwitch, Terms

RUNNER = Path(__file__).parents[2] / "tests/conformance/runners/python"
sys.path.insert(0, str(RUNNER))

from strays import Strays  # noqa: E402

WAYS = ("executor", "thread", "callback", "generator", "earlier")


async def go(way: str, orphans: Any) -> tuple[bool, str | None, int]:
    """Goes one way under a switch: whether it got an answer, else the code, and the calls drawn."""
    async with hubless.Node.start(orphans=orphans) as node:
        strays = Strays(node)
        assert set(strays.ways) == set(WAYS)

        @node.agent
        async def echo(value: Any, /) -> Any:
            return value

        @node.agent
        async def stray(ctx: Call) -> dict[str, Any]:
            async with ctx.spend():
                try:
                    await strays.ways[way]("echo")
                except hubless.Error as error:
                    return {"answered": False, "code": f"{error.kind}/{error.code}"}
            return {"answered": True, "code": None}

        switch = KillSwitch(calls=64)
        with switch:
            got = (await node.request("stray")).value
        # The call of `stray` itself is one.
        return got["answered"], got["code"], switch.spent.calls - 1


@pytest.mark.parametrize("way", WAYS)
async def test_a_stray_is_refused_and_never_free(way: str) -> None:
    answered, code, drawn = await go(way, None)
    assert answered == bool(drawn), "an answer that the budget did not pay for"
    assert (answered, code, drawn) == (False, "configuration/orphan", 0)


@pytest.mark.parametrize("way", WAYS)
async def test_where_strays_are_let_through_they_are_seen_to_be_free(way: str) -> None:
    assert await go(way, "allow") == (True, None, 0)


@pytest.mark.parametrize("way", WAYS)
async def test_a_stray_is_under_the_budget_that_the_node_has_for_it(way: str) -> None:
    answered, code, drawn = await go(way, Terms(calls=0))
    assert (answered, code, drawn) == (False, "budget_exhausted/calls_exceeded", 0)
    assert await go(way, Terms(calls=5)) == (True, None, 0)


@pytest.mark.parametrize("paid", [True, False])
async def test_another_node_of_the_process_is_no_way_out_of_a_budget(paid: bool) -> None:
    async with hubless.Node.start() as node, hubless.Node.start() as other:

        @node.agent
        async def echo(value: Any, /) -> Any:
            return value

        @node.agent
        async def through(ctx: Call) -> str:
            async with ctx.spend():
                try:
                    await other.request("echo", 1)
                except hubless.Error as error:
                    return f"{error.kind}/{error.code}"
            return "answered"

        switch = KillSwitch(calls=64)
        options = hubless.Options(kill_switch=switch) if paid else None
        got = (await node.request("through", options=options)).value
        expected = ("configuration/other_node", 1) if paid else ("answered", 0)
        assert (got, switch.spent.calls) == expected
