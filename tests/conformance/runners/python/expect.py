"""Compares what a case expects with what came out."""

from collections.abc import Callable
from typing import Any


def holds(expected: Any, outcomes: list[dict[str, Any]]) -> bool:
    """One expectation for all outcomes, or one for each."""
    if not outcomes:
        return False
    if not isinstance(expected, list):
        expected = [expected] * len(outcomes)
    if len(expected) != len(outcomes):
        return False
    return all(one_holds(one, got) for one, got in zip(expected, outcomes, strict=True))


def one_holds(expected: dict[str, Any], got: dict[str, Any]) -> bool:
    if "error" in got and "error" not in expected:
        return False
    return all(what in CHECKS and CHECKS[what](wanted, got) for what, wanted in expected.items())


def same(wanted: Any, got: Any) -> bool:
    """Equality of JSON values; true is not 1."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        return wanted.keys() == got.keys() and all(same(wanted[key], got[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(got, list):
        return len(wanted) == len(got) and all(map(same, wanted, got))
    return isinstance(wanted, bool) == isinstance(got, bool) and bool(wanted == got)


def has(members: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return all(key in value and same(wanted, value[key]) for key, wanted in members.items())


PARTLY = ("messageHas", "candidates")


def error_has(wanted: dict[str, Any], error: Any) -> bool:
    """Each member is as wanted; of the message a part of it, of the candidates their number."""
    members = {key: value for key, value in wanted.items() if key not in PARTLY}
    if not has(members, error):
        return False
    candidates = len(error.get("candidates", ()))
    as_many = bool(wanted.get("candidates", candidates) == candidates)
    return as_many and wanted.get("messageHas", "") in str(error.get("message", ""))


def in_ranges(wanted: dict[str, Any], got: dict[str, Any]) -> bool:
    value = got.get("value")
    if not isinstance(value, dict):
        return False
    for member, bounds in wanted.items():
        low, high = bounds if isinstance(bounds, list) else (float("-inf"), bounds)
        found = follow(value, member) if member.startswith("/") else value.get(member)
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            return False
        if not low <= found <= high:
            return False
    return True


def outcomes_in(wanted: dict[str, list[int]], got: dict[str, Any]) -> bool:
    """Every kind of outcome is one that is wanted, as often as is wanted."""
    counts = got.get("kinds", {})
    return counts.keys() <= wanted.keys() and all(
        low <= counts.get(kind, 0) <= high for kind, (low, high) in wanted.items()
    )


def trace_of(value: Any) -> str:
    fields = str(value.get("traceparent", "") if isinstance(value, dict) else "").split("-")
    return fields[1] if len(fields) > 1 else ""


def all_in(wanted: list[Any], got: dict[str, Any]) -> bool:
    return "found" in got and all(one in got["found"] for one in wanted)


def none_in(wanted: list[Any], got: dict[str, Any]) -> bool:
    return "found" in got and not any(one in got["found"] for one in wanted)


def points_to(wanted: dict[str, Any], got: dict[str, Any]) -> bool:
    """Each JSON pointer leads to what is wanted."""
    return all(same(one, follow(got.get("value"), pointer)) for pointer, one in wanted.items())


def follow(value: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


AMOUNTS = ("spent", "remaining", "overrun")


def switch_has(wanted: dict[str, Any], got: dict[str, Any]) -> bool:
    """The switch of the case shows each thing; of amounts only the components that are named."""
    shown = got.get("switch")
    amounts = {name: wanted[name] for name in AMOUNTS if name in wanted}
    rest = {name: one for name, one in wanted.items() if name not in amounts}
    return has(rest, shown) and all(has(one, shown[name]) for name, one in amounts.items())


def strayed(wanted: Any, got: dict[str, Any]) -> bool:
    """Each way is refused, or drew one call from the switch of the case; none was free."""
    value, shown = got.get("value"), got.get("switch")
    known = wanted["ways"].get(wanted["of"])
    if not known or not isinstance(value, dict) or not isinstance(shown, dict):
        return False
    drawn, refused = value.get("drawn", []), value.get("refused", [])
    all_of_them = sorted([*drawn, *refused]) == sorted(known)
    return all_of_them and bool(shown["spent"]["calls"] == 1 + len(drawn))


CHECKS: dict[str, Callable[[Any, dict[str, Any]], bool]] = {
    "value": lambda wanted, got: same(wanted, got.get("value")),
    "valueHas": lambda wanted, got: has(wanted, got.get("value")),
    "text": lambda wanted, got: got.get("text") == wanted,
    "ends": lambda wanted, got: str(got.get("text", "")).endswith(wanted),
    "error": lambda wanted, got: error_has(wanted, got.get("error")),
    "rejection": lambda wanted, got: error_has(wanted, got.get("rejection")),
    "done": lambda wanted, got: same(wanted, got.get("done")),
    "found": lambda wanted, got: same(wanted, got.get("found")),
    "events": lambda wanted, got: same(wanted, got.get("events")),
    "includes": all_in,
    "excludes": none_in,
    "at": points_to,
    "chunks": lambda wanted, got: same(wanted, got.get("chunks")),
    "notes": lambda wanted, got: same(wanted, got.get("notes")),
    "blob": lambda wanted, got: has(wanted, got.get("blob")),
    "parts": lambda wanted, got: same(wanted, got.get("parts")),
    "metadata": lambda wanted, got: same(wanted, got.get("metadata")),
    "outcomesIn": outcomes_in,
    "outcomes": lambda wanted, got: same(wanted, got.get("outcomes")),
    "counted": lambda wanted, got: "kinds" in got and sum(got["kinds"].values()) == wanted,
    "tracedAs": lambda wanted, got: bool(got.get("tracedAs") == wanted),
    "usage": lambda wanted, got: has(wanted, got.get("usage")),
    "switch": switch_has,
    "strayed": strayed,
    "traceId": lambda wanted, got: trace_of(got.get("value")) == wanted,
    "first": lambda wanted, got: (got.get("found") or [None])[0] == wanted,
    "none": lambda wanted, got: got.get("found") == [],
    "at most": in_ranges,
    "range": in_ranges,
}
