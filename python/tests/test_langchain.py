"""Agents as tools of LangChain."""

from __future__ import annotations

import asyncio
import sys

import pytest
from langchain_core.tools import StructuredTool, ToolException

import hubless
from hubless import errors
from hubless.langchain import as_tools


async def rate(pair: str, factor: float = 1.0) -> float:
    """Gives the rate of a pair of currencies."""
    if pair == "XXXYYY":
        raise errors.NotFoundError(f"no rate of {pair}", code="pair")
    return 1.5 * factor


class Desk:
    """Two skills of one agent."""

    @hubless.skill()
    async def open(self) -> str:
        return "open"

    @hubless.skill()
    async def shut(self) -> str:
        return "shut"


async def test_a_skill_is_a_tool_with_its_name_text_and_arguments(node: hubless.Node) -> None:
    await node.register(rate, tags=["fx"])
    await node.register(Desk(), tags=["desk"])
    (tool,) = await as_tools(node, tags=["fx"])
    assert isinstance(tool, StructuredTool)
    assert (tool.name, tool.description) == ("rate", "Gives the rate of a pair of currencies.")
    assert tool.args["pair"] == {"type": "string"}
    assert set(tool.args) == {"pair", "factor"}
    assert tool.args_schema["required"] == ["pair"]
    assert await tool.ainvoke({"pair": "EURUSD", "factor": 2.0}) == 3.0
    assert await asyncio.to_thread(tool.invoke, {"pair": "EURUSD"}) == 1.5
    call = {"name": "rate", "args": {"pair": "EURUSD"}, "id": "1", "type": "tool_call"}
    assert (await tool.ainvoke(call)).content == "1.5"


async def test_an_error_of_a_call_is_an_exception_of_the_tool(node: hubless.Node) -> None:
    await node.register(rate)
    (tool,) = await as_tools(node, skill="rate")
    for arguments, kind in (({"pair": "XXXYYY"}, "not_found"), ({"pair": 7}, "json")):
        with pytest.raises(ToolException, match=kind) as raised:
            await tool.ainvoke(arguments)
        cause = raised.value.__cause__
        assert isinstance(cause, hubless.Error) and cause.kind == kind
        with pytest.raises(ToolException, match=kind):
            await asyncio.to_thread(tool.invoke, arguments)
    tool.handle_tool_error = True
    assert "no rate of XXXYYY" in await tool.ainvoke({"pair": "XXXYYY"})
    # Blocking here would wait for itself.
    with pytest.raises(errors.InternalError, match="event loop"):
        tool.invoke({"pair": "EURUSD"})


async def test_what_is_no_object_is_one_argument(node: hubless.Node) -> None:
    async def whole(numbers: list[int], /) -> int:
        return sum(numbers)

    async def named(config: str) -> str:
        return config

    await node.register(whole)
    await node.register(named)
    found = {tool.name: tool for tool in await as_tools(node)}
    assert set(found["whole"].args) == {"input"} == set(found["named"].args)
    assert await found["whole"].ainvoke({"input": [40, 2]}) == 42
    # LangChain hands an argument of this name to every tool.
    assert await found["named"].ainvoke({"input": {"config": "mine"}}) == "mine"


async def test_names_are_those_that_models_take_and_no_two_are_one(node: hubless.Node) -> None:
    await node.register(Desk(), name="front.desk")
    found = await as_tools(node)
    assert sorted(tool.name for tool in found) == ["front_desk_open", "front_desk_shut"]
    assert {await tool.ainvoke({}) for tool in found} == {"open", "shut"}
    async with hubless.Node.start() as other:
        await other.register(Desk(), name="front_desk")
        twin = hubless.where("name").equals("front_desk")
        assert await node.find(filter=twin, wait=20)
        names = [tool.name for tool in await as_tools(node)]
        assert sorted(names) == [
            "front_desk_open",
            "front_desk_open_2",
            "front_desk_shut",
            "front_desk_shut_2",
        ]


async def test_a_tool_draws_on_the_budget_that_it_is_called_under(node: hubless.Node) -> None:
    await node.register(rate)
    (tool,) = await as_tools(node, skill="rate")
    assert await tool.ainvoke({"pair": "EURUSD"}) == 1.5
    with hubless.KillSwitch(calls=0):
        with pytest.raises(ToolException, match="budget_exhausted"):
            await tool.ainvoke({"pair": "EURUSD"})
        # What did not fit has stopped the budget.
        with pytest.raises(ToolException, match="killed"):
            await asyncio.to_thread(tool.invoke, {"pair": "EURUSD"})


async def test_without_langchain_it_says_what_to_install(
    node: hubless.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "langchain_core.tools", None)
    with pytest.raises(ImportError, match=r"hubless\[langchain\]"):
        await as_tools(node)
