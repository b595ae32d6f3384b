"""Texts and numbers that other languages cannot say, and names that are none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import hubless
from hubless import Content, Options, errors

HALF = "half \ud83d"
NUL = "a\x00b"

Use = Callable[[hubless.Node, str], Awaitable[Any]]


async def same(content: Content) -> Content:
    return content


USES: dict[str, Use] = {
    "to": lambda node, text: node.request(text, 1),
    "skill": lambda node, text: node.request("same", 1, skill=text),
    "idempotencyKey": lambda node, text: node.request(
        "same", 1, options=Options(idempotency_key=text)
    ),
    "name": lambda node, text: node.op("register", {"name": text, "skills": []}),
    "tags": lambda node, text: node.op("register", {"name": "x", "skills": [], "tags": [text]}),
}


@pytest.mark.parametrize("text", [NUL, HALF], ids=["nul", "half"])
@pytest.mark.parametrize("field", USES)
async def test_odd_text_is_refused_with_its_field(
    node: hubless.Node, field: str, text: str
) -> None:
    await node.register(same)
    with pytest.raises(errors.InvalidArgumentError) as raised:
        await USES[field](node, text)
    assert raised.value.field == field
    # And nothing is lost: the node goes on.
    assert (await node.request("same", "x")).value == "x"


@pytest.mark.parametrize("value", [HALF, {"key": [HALF]}, {HALF: 1}], ids=["text", "data", "key"])
async def test_half_a_character_in_content_is_refused(node: hubless.Node, value: Any) -> None:
    await node.register(same)
    with pytest.raises(errors.InvalidArgumentError, match="surrogate") as raised:
        await node.request("same", value)
    assert raised.value.field == "content"


async def test_half_a_character_in_an_answer_fails_the_call(node: hubless.Node) -> None:
    @node.agent
    async def odd() -> str:
        return HALF

    with pytest.raises(errors.HandlerFailedError, match="surrogate"):
        await node.request("odd")


@pytest.mark.parametrize("direct", [False, True])
async def test_large_numbers_and_nul_in_content_stay_what_they_are(
    node: hubless.Node, direct: bool
) -> None:
    await node.register(same)
    async with hubless.Node.start() as other:
        caller = other if direct else node
        for value in (2**53 + 1, -(2**53) - 1, 2**64, 10**300, 1e308, NUL, {NUL: 1}):
            answer = (await caller.request("same", value)).value
            assert (answer, type(answer)) == (value, type(value))


@pytest.mark.parametrize(
    "value",
    [10**400, 10**5000, float("inf"), float("nan")],
    ids=["large", "huge", "infinite", "none"],
)
async def test_numbers_beyond_every_language_are_refused(node: hubless.Node, value: Any) -> None:
    await node.register(same)
    with pytest.raises((errors.JsonError, errors.InvalidArgumentError)):
        await node.request("same", value)


@pytest.mark.parametrize("number", [2**53, 2**64, -1])
async def test_numbers_of_options_are_bounded(node: hubless.Node, number: int) -> None:
    await node.register(same)
    with pytest.raises(errors.InvalidArgumentError) as raised:
        await node.op("request", {"to": "same", "content": {"value": 1}, "timeoutMs": number})
    assert raised.value.field == "timeoutMs"
