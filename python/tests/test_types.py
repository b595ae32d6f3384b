"""The language's own types as what agents and tools take and give."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any, TypedDict

import pytest

import hubless
from hubless import Call, errors

try:
    import pydantic
except ImportError:
    pydantic = None  # type: ignore[assignment,unused-ignore]

DAY = datetime.date(2024, 2, 29)


@dataclasses.dataclass
class Plain:
    day: datetime.date
    rates: list[float] = dataclasses.field(default_factory=list)


class Dictionary(TypedDict, total=False):
    day: datetime.date
    rates: list[float]


if pydantic is not None:

    class Model(pydantic.BaseModel):
        day: datetime.date
        rates: list[float] = pydantic.Field(default_factory=list)

    async def next_model(given: Model) -> Model:
        return Model(day=given.day + datetime.timedelta(1), rates=[*given.rates, 1.0])


async def next_plain(given: Plain) -> Plain:
    return Plain(given.day + datetime.timedelta(1), [*given.rates, 1.0])


async def next_dictionary(given: Dictionary) -> Dictionary:
    rates = [*given.get("rates", []), 1.0]
    return {"day": given["day"] + datetime.timedelta(1), "rates": rates}


def forms() -> dict[str, tuple[Callable[..., Any], Any]]:
    found: dict[str, tuple[Callable[..., Any], Any]] = {
        "dataclass": (next_plain, Plain),
        "TypedDict": (next_dictionary, Dictionary),
    }
    if pydantic is not None:
        found["pydantic"] = (next_model, Model)
    return found


@pytest.mark.parametrize("form", ["dataclass", "TypedDict", "pydantic"])
async def test_go_in_and_come_out_of_agents_and_tools(node: hubless.Node, form: str) -> None:
    if form not in forms():
        pytest.skip("pydantic is not installed")
    handler, kind = forms()[form]
    await node.register(handler, name="next")
    expected = kind(day=DAY + datetime.timedelta(1), rates=[1.0])
    reply = await node.request("next", given=kind(day=DAY))
    assert reply.value == {"day": "2024-03-01", "rates": [1.0]}
    assert reply.into(kind) == expected
    with pytest.raises(errors.JsonError) as raised:
        await node.request("next", given={"day": 1})
    assert raised.value.pointer == "/given/day"
    (skill,) = (await node.describe("next")).skills
    assert "'format': 'date'" in str(skill["inputSchema"])

    @node.agent
    async def works(ctx: Call) -> Any:
        return await ctx.call_tool("later", {"given": {"day": "2024-02-29"}})

    tool = hubless.Tool(handler, name="later")
    assert (await node.request("works", tools=[tool])).into(kind) == expected
