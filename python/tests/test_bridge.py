"""The bridge itself: errors of every kind, bytes and texts there and back, waiting operations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hubless import errors
from hubless._session import Session, ask

# Longer than all tests: what ends before was ended.
FOREVER_MS = 3_600_000

THROWN: dict[str, Any] = {
    "code": "on_purpose",
    "operation": "bridge",
    "message": "grüße\0 💱",
    "field": "content",
    "limit": {"name": "JSON_DEPTH", "value": 64},
    "retry": {"afterMs": 250},
    "agent": "one",
    "origin": "ab",
    "traceId": "cd",
    "pointer": "/a/0",
    "candidates": ["one", "two"],
}


def check_thrown(error: errors.Error, kind: str, rejection: bool) -> None:
    assert isinstance(error, errors.KINDS[kind])
    assert isinstance(error, errors.Rejected) is rejection
    assert (error.kind, error.code, error.operation) == (kind, "on_purpose", "bridge")
    assert (error.message, error.field) == (THROWN["message"], "content")
    assert error.limit == errors.Limit("JSON_DEPTH", 64)
    assert error.retry == 0.25
    assert (error.agent, error.origin, error.trace_id) == ("one", "ab", "cd")
    assert (error.pointer, list(error.candidates)) == ("/a/0", ["one", "two"])


@pytest.mark.parametrize("rejection", [False, True])
async def test_every_kind_comes_back_as_it_was_thrown(bridge: Session, rejection: bool) -> None:
    table, _ = await bridge.call("bridge.read", {"what": "kinds"})
    kinds = [row["kind"] for row in table["kinds"]]
    assert kinds == list(errors.KINDS)
    for kind in kinds:
        body = {"kind": kind, "rejection": rejection, **THROWN}
        with pytest.raises(errors.Error) as raised:
            await bridge.call("bridge.throw", body)
        check_thrown(raised.value, kind, rejection)
        with pytest.raises(errors.Error) as asked:
            ask("bridge.throw", body)
        check_thrown(asked.value, kind, rejection)


async def test_bytes_and_texts_come_back_as_they_went(bridge: Session) -> None:
    sizes = (0, 1, 64 * 1024, 1024 * 1024)
    pieces = [(bytes(range(251)) * (size // 251 + 1))[:size] for size in sizes]
    body = {"text": "a\0b 💱 \ufeff", "deep": [{"n": 1.5, "": None}], "most": 2**53 - 1}
    said, back = await bridge.call("bridge.echo", body, pieces)
    assert said == body
    assert [len(piece) for piece in back] == list(sizes)
    assert back == pieces
    assert ask("bridge.echo", body) == body


async def test_a_sleep_holds_up_nothing_and_can_be_given_up(bridge: Session) -> None:
    long, left = (
        asyncio.ensure_future(bridge.call("bridge.sleep", {"ms": FOREVER_MS})) for _ in range(2)
    )
    # Both are begun before this one, which is through meanwhile, as is what the loop does.
    assert await bridge.call("bridge.sleep", {"ms": 1}) == ({}, [])
    assert await bridge.call("bridge.echo", {"n": 1}) == ({"n": 1}, [])
    assert not long.done()
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert await bridge.call("bridge.echo", {"n": 2}) == ({"n": 2}, [])
    assert not left.done()
    bridge.shut()
    with pytest.raises(errors.ClosedError):
        await left
