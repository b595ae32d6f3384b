"""Texts and numbers that other languages cannot say, and names that are none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from programs import knows

import hubless
from hubless import Content, Data, Options, Text, _wire, errors

HALF = "half \ud83d"
NUL = "a\x00b"

Use = Callable[[hubless.Node, Any], Awaitable[Any]]


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


async def test_nul_is_left_out_of_what_is_shown_and_no_part_of_a_secret(
    node: hubless.Node,
) -> None:
    described = hubless.Descriptor(title=NUL, description=NUL)

    @node.agent(descriptor=described)
    async def shows(ctx: hubless.Call) -> None:
        await ctx.progress(NUL)
        raise errors.CallDeniedError(NUL)

    descriptor = (await node.describe("shows")).descriptor
    assert (descriptor["title"], descriptor["description"]) == ("ab", "ab")
    notes: list[str | None] = []
    with pytest.raises(errors.CallDeniedError) as denied:
        async for event in node.stream("shows").events():
            if isinstance(event, hubless.Progress):
                notes.append(event.note)
    assert (denied.value.message, notes) == ("ab", ["ab"])

    guarded = hubless.Requirements(auth=hubless.SharedSecret(NUL))
    agent = (await node.peer("shows")).agent_id
    for field, use in (
        ("auth.secret", lambda: node.request("same", options=Options(auth=_secret()))),
        ("secret", lambda: node.credentials.set(agent, NUL)),
        ("auth.sharedSecret", lambda: _register(node, guarded)),
    ):
        with pytest.raises(errors.InvalidArgumentError) as raised:
            await use()
        assert (raised.value.code, raised.value.field) == ("bad_text", field)


def _secret() -> hubless.Credential:
    return hubless.Credential(NUL)


async def _register(node: hubless.Node, rules: hubless.Requirements) -> None:
    await node.register(same, requirements=rules)


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
        await knows(other, "same")
        caller = other if direct else node
        for value in (2**53 + 1, -(2**53) - 1, 2**64, 10**300, 1e308, NUL, {NUL: 1}):
            answer = (await caller.request("same", value)).value
            assert (answer, type(answer)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        # What no double holds, the core refuses; what cannot be written, Python.
        (10**400, "json"),
        (10**5000, "invalid_argument"),
        (float("inf"), "invalid_argument"),
        (float("nan"), "invalid_argument"),
    ],
    ids=["large", "huge", "infinite", "none"],
)
async def test_numbers_beyond_every_language_are_refused(
    node: hubless.Node, value: Any, kind: str
) -> None:
    await node.register(same)
    with pytest.raises(errors.Error) as raised:
        await node.request("same", value)
    assert (raised.value.kind, raised.value.field) == (kind, "content")


async def test_a_huge_text_is_refused_with_its_bound_and_one_at_the_bound_arrives(
    node: hubless.Node,
) -> None:
    async def size(text: str, /) -> int:
        return len(text)

    bound = 64 << 20
    await node.register(size)
    assert (await node.request("size", "x" * (bound - 1024))).value == bound - 1024
    with pytest.raises(errors.TooLargeError) as raised:
        await node.request("size", "x" * (bound + 1))
    assert raised.value.limit == errors.Limit("REQUEST_BYTES", bound)
    assert (await node.request("size", "still here")).value == 10


NAN = float("nan")

NOT_FINITE: list[tuple[str, Use]] = [
    ("content", lambda node, odd: node.request("same", odd)),
    ("content", lambda node, odd: node.request("same", {"deep": [None, {"odd": odd}]})),
    ("content", lambda node, odd: node.request("same", Data([odd]))),
    (
        "content",
        lambda node, odd: node.request("same", Content([Text("x")], metadata={"odd": odd})),
    ),
    (
        "metadata",
        lambda node, odd: node.request("same", 1, options=Options(metadata={"odd": odd})),
    ),
    (
        "requirements",
        lambda node, odd: node.op(
            "register", {"name": "x", "skills": [], "requirements": {"maxTokens": odd}}
        ),
    ),
    (
        "skills",
        lambda node, odd: node.op(
            "register", {"name": "x", "skills": [{"id": "x", "attributes": {"odd": odd}}]}
        ),
    ),
]


@pytest.mark.parametrize("value", [NAN, float("inf"), float("-inf")])
@pytest.mark.parametrize("row", range(len(NOT_FINITE)))
async def test_a_number_that_is_none_is_refused_with_its_field(
    node: hubless.Node, row: int, value: float
) -> None:
    field, use = NOT_FINITE[row]
    await node.register(same)
    with pytest.raises(errors.InvalidArgumentError, match="send None or a text") as raised:
        await use(node, value)
    assert (raised.value.kind, raised.value.field) == ("invalid_argument", field)
    assert (await node.request("same", "x")).value == "x"


async def test_an_answer_with_a_number_that_is_none_fails_the_call(node: hubless.Node) -> None:
    @node.agent
    async def odd() -> dict[str, float]:
        return {"odd": NAN}

    with pytest.raises(errors.HandlerFailedError, match="finite numbers"):
        await node.request("odd")


@pytest.mark.parametrize(
    ("seconds", "ms"),
    [(None, None), (0, 0), (-1, 0), (1e-9, 1), (0.0005, 1), (0.001, 1), (0.0014, 2), (0.035, 35)],
)
def test_times_are_rounded_up_to_whole_milliseconds(seconds: float | None, ms: int | None) -> None:
    assert _wire.milliseconds(seconds) == ms


@pytest.mark.parametrize("number", [2**53, 2**64, -1])
async def test_numbers_of_options_are_bounded(node: hubless.Node, number: int) -> None:
    await node.register(same)
    with pytest.raises(errors.InvalidArgumentError) as raised:
        await node.op("request", {"to": "same", "content": {"value": 1}, "timeoutMs": number})
    assert raised.value.field == "timeoutMs"
