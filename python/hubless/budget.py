"""Amounts and limits of budgets, and what a budget tells of itself.

Owns the records. Must not know switches or sessions, nor what is a valid amount: the core says
that, so whatever the host gives is handed to it as it is. Tested by ``tests/test_budget.py``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from . import _wire
from .records import build

__all__ = ["Amounts", "Branch", "Reason", "Spent", "Stop", "Terms"]

Reason = Literal[
    "input_exceeded",
    "output_exceeded",
    "input_and_output_exceeded",
    "cost_exceeded",
    "calls_exceeded",
    "wall_time",
    "depth",
    "fan_out",
    "operator",
    "parent",
    "lease_lost",
]
# Bits of the largest integer that is handed on as one.
_INTEGER_BITS = 64


@dataclass(frozen=True)
class Amounts:
    """Is an amount of each component; None: not limited, or not said.

    Each is an integer from 0 to 2^53 - 1, or where it is used raises ``InvalidArgumentError``,
    code ``amount``. ``cost_micros`` is 1e-6 of the currency unit.

    >>> switch = hubless.KillSwitch(calls=5)
    >>> switch.remaining
    Amounts(input_tokens=None, output_tokens=None, cost_micros=None, calls=5)
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micros: int | None = None
    calls: int | None = None

    def record(self) -> dict[str, Any]:
        """Gives the record of the contract."""
        given = {_wire.camel(name): said(value) for name, value in vars(self).items()}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Spent(Amounts):
    """Is an amount of which each component is known.

    >>> hubless.KillSwitch(calls=5).spent
    Spent(input_tokens=0, output_tokens=0, cost_micros=0, calls=0)
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    calls: int = 0


@dataclass(frozen=True)
class Terms:
    """Is what a budget is limited to; the arguments of ``KillSwitch``, as a record.

    >>> async with hubless.Node.start("own", orphans=hubless.Terms(calls=10)) as own:
    ...     print(own)
    Node(..., open)
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micros: int | None = None
    calls: int | None = None
    wall_time: float | None = None
    depth: int | None = None
    fan_out: int | None = None
    lease: float | None = None
    soft: Amounts | None = None
    unlimited: bool = False
    strict: bool = False

    def record(self) -> dict[str, Any]:
        """Gives the record of the contract."""
        record = {
            "inputTokens": said(self.input_tokens),
            "outputTokens": said(self.output_tokens),
            "costMicros": said(self.cost_micros),
            "calls": said(self.calls),
            "wallTimeMs": _milliseconds(self.wall_time),
            "depth": said(self.depth),
            "fanOut": said(self.fan_out),
            "leaseMs": _milliseconds(self.lease),
            "soft": amounts_record(self.soft),
            "unlimited": None if self.unlimited is False else said(self.unlimited),
            "strict": None if self.strict is False else said(self.strict),
        }
        return {name: value for name, value in record.items() if value is not None}


@dataclass(frozen=True)
class Stop:
    """Says why a budget was stopped, by whom and when.

    ``by`` is the key of the node that asked for it; None: no node had used the switch yet.
    ``at`` is on the clock of ``time.time``, in seconds.

    >>> switch = hubless.KillSwitch(calls=5)
    >>> switch.trip()
    >>> switch.stop.reason, switch.stop.by
    ('operator', None)
    """

    reason: Reason
    by: str | None
    at: float

    @classmethod
    def of(cls, record: Mapping[str, Any] | None) -> Stop | None:
        """Reads the record of the contract."""
        if record is None:
            return None
        return cls(record["reason"], record.get("by"), float(record["atMs"]) / 1000)


@dataclass(frozen=True)
class Branch:
    """Is one grant of a budget and those that were cut from it, as this node knows them.

    ``agent_id`` is who was called, None for the budget itself. ``charged`` is what the grant
    takes from its budget: all of it until its holder's last word.

    >>> @node.agent
    ... async def works() -> str:
    ...     return "done"
    >>> switch = hubless.KillSwitch(calls=5)
    >>> with switch:
    ...     reply = await node.request("works")
    >>> [(branch.state, branch.amount.calls) for branch in switch.tree().children]
    [('settled', 1)]
    """

    agent_id: str | None
    node_key: str
    state: Literal["open", "recalled", "settled", "written_off"]
    amount: Amounts
    charged: Spent
    used: Spent
    children: Sequence[Branch] = ()

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Branch:
        """Reads the record of the contract."""
        return cls(
            record.get("agentId"),
            record["nodeKey"],
            record["state"],
            build(Amounts, record["amount"]),
            build(Spent, record["charged"]),
            build(Spent, record["used"]),
            [cls.of(child) for child in record.get("children", ())],
        )


def said(value: Any) -> Any:
    """Gives what JSON can carry of a number; what it cannot goes as text, which is refused."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    try:
        whole = operator.index(value)
    except TypeError:
        return f"a {type(value).__name__}"
    bits = whole.bit_length()
    return whole if bits <= _INTEGER_BITS else f"an integer of {bits} bits"


def amounts_record(amounts: Any) -> Any:
    """Gives the record of amounts; what is none is handed on, to be refused."""
    return amounts.record() if isinstance(amounts, Amounts) else said(amounts)


def _milliseconds(seconds: Any) -> Any:
    """Turns seconds into whole milliseconds; what is not 0 does not become it."""
    number = said(seconds)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return number
    exact = said(number * 1000)
    if isinstance(exact, str) or not exact:
        return exact or 0
    return said(round(exact) or (1 if exact > 0 else -1))
