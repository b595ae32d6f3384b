"""Amounts and limits: what is refused, and that the core is who refuses it."""

from __future__ import annotations

import decimal
from typing import Any

import pytest

import hubless
from hubless import Amounts, KillSwitch, Terms, errors
from hubless.budget import said

COMPONENTS = {
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "cost_micros": "costMicros",
    "calls": "calls",
}
TIMES = {"wall_time": "wallTimeMs", "lease": "leaseMs"}
COUNTS = {"depth": "depth", "fan_out": "fanOut"}
NONSENSE = [
    -1,
    5.5,
    5.0,
    1e20,
    float("nan"),
    float("inf"),
    float("-inf"),
    "5",
    "",
    "\N{SNOWMAN}",
    2**53,
    2**64,
    2**70,
    -(2**70),
    10**5000,
    True,
    False,
    [],
    {},
    b"5",
    decimal.Decimal(5),
    object(),
]
NO_TIME = [-1, -0.0001, 2**53, 1e20, 1e306, float("nan"), float("inf"), "5", True, [], object()]


class Index:
    """A whole number of another library."""

    def __index__(self) -> int:
        return 5


def refusal(**terms: Any) -> tuple[str | None, str | None]:
    with pytest.raises(errors.InvalidArgumentError) as raised:
        KillSwitch(**terms)
    return raised.value.field, raised.value.code


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_amount_that_is_none_is_refused_by_its_field(component: str) -> None:
    name = COMPONENTS[component]
    for bad in NONSENSE:
        given: dict[str, Any] = {component: bad}
        assert refusal(**given) == (name, "amount")
        assert refusal(soft=Amounts(**given)) == (f"soft.{name}", "amount")


@pytest.mark.parametrize("count", COUNTS)
def test_a_count_that_is_none_is_refused_by_its_field(count: str) -> None:
    for bad in NONSENSE:
        assert refusal(**{count: bad})[0] == COUNTS[count]


@pytest.mark.parametrize("time", TIMES)
def test_a_time_that_is_none_is_refused_by_its_field(time: str) -> None:
    for bad in NO_TIME:
        assert refusal(**{"calls": 1, time: bad})[0] == TIMES[time]


def test_what_is_an_amount_is_taken() -> None:
    for good in (0, 1, 2**53 - 1):
        assert KillSwitch(calls=good).remaining == Amounts(calls=good)
    number: Any = Index()
    assert KillSwitch(calls=number).remaining.calls == 5
    given: dict[str, Any] = {"depth": 3, "fan_out": 2, "wall_time": 0.0001, "lease": 2}
    assert Terms(**given, soft=Amounts(calls=1)).record() == {
        "depth": 3,
        "fanOut": 2,
        "wallTimeMs": 1,
        "leaseMs": 2000,
        "soft": {"calls": 1},
    }


def test_a_switch_without_a_limit_says_so() -> None:
    assert refusal() == ("unlimited", "unlimited")
    assert KillSwitch(unlimited=True).remaining == Amounts()
    assert refusal(unlimited=True, calls=1)[0] == "unlimited"
    assert refusal(unlimited="yes")[0] == "unlimited"
    assert refusal(soft="much")[0] == "soft"


def test_strict_is_said_beside_a_limit() -> None:
    assert Terms(calls=1, strict=True).record() == {"calls": 1, "strict": True}
    assert refusal(strict=True) == ("unlimited", "unlimited")
    for bad in ("yes", 1, 0.5, []):
        assert refusal(calls=1, strict=bad)[0] == "strict"


def test_what_json_can_say_is_said_as_it_is() -> None:
    for value in (None, True, 5, 5.0, -1, "5", 2**64 - 1):
        assert said(value) is value or said(value) == value
        assert type(said(value)) is type(value)
    assert said(2**64) == "an integer of 65 bits"


@pytest.mark.parametrize("orphans", ["ignore", "", 5, Terms(calls=-1), Terms()])
async def test_what_a_node_does_with_orphans_is_checked(orphans: Any) -> None:
    with pytest.raises(errors.InvalidArgumentError) as raised:
        await hubless.Node.start(orphans=orphans)
    assert str(raised.value.field).startswith("orphans")


async def test_the_most_of_a_request_is_checked(node: hubless.Node) -> None:
    @node.agent
    async def echo(value: Any, /) -> Any:
        return value

    switch = KillSwitch(calls=5)
    bad: Any = Amounts(calls=-1)
    options = hubless.Options(kill_switch=switch, max=bad)
    with pytest.raises(errors.InvalidArgumentError) as raised:
        await node.request("echo", 1, options=options)
    assert (raised.value.field, raised.value.code) == ("max.calls", "amount")
    # Also one that says nothing needs something that it bounds.
    with pytest.raises(errors.InvalidArgumentError) as raised:
        await node.request("echo", 1, options=hubless.Options(max=Amounts()))
    assert raised.value.field == "max"
    options = hubless.Options(kill_switch=switch, max=Amounts())
    assert (await node.request("echo", 1, options=options)).value == 1
