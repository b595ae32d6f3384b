"""What the README shows of Python, word for word."""

from __future__ import annotations

from typing import Any

import pytest

import hubless
from hubless.testing import Mesh


async def test_the_switch_of_the_readme_pays_for_a_call(
    node: hubless.Node, capsys: pytest.CaptureFixture[str]
) -> None:
    @node.agent(name="researcher")
    async def research(question: hubless.Content) -> str:
        return f"asked: {question.text}"

    # switch-begin
    switch = hubless.KillSwitch(output_tokens=50_000, calls=500, wall_time=600)
    with switch:
        reply = await node.request("researcher", "what changed since May?")
    print(switch.spent, switch.remaining, switch.tree())
    # switch-end
    assert reply.value == "asked: what changed since May?"
    assert switch.spent.calls == 1
    assert "Amounts" in capsys.readouterr().out


async def my_report(node: hubless.Node, city: str) -> Any:
    return "cold" if (await node.request("weather", city=city)).value < 0 else "warm"


# weather-begin
async def test_says_that_it_is_cold(hubless_mesh: Mesh) -> None:
    steps = [{"when": {"contains": {"city": "Oslo"}}, "answer": {"value": -7}}]
    weather = await hubless_mesh.fake("weather", steps=steps)
    # the program under test, which asks "weather"
    assert await my_report(hubless_mesh.node, "Oslo") == "cold"
    await weather.verify()  # the whole script was asked for, and nothing else


# weather-end
