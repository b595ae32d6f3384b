"""Tickets and futures, against a core that does what the test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fake_core import FakeCore

from hubless import _session, errors
from hubless._session import Session
from hubless.requests import Feed

DONE, FAILED, LOG = 1, 2, 10


@pytest.fixture(params=["eventfd", "thread"])
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeCore:
    monkeypatch.setenv("HUBLESS_PYTHON_WAKE", request.param)
    return FakeCore(monkeypatch)


@pytest.fixture(autouse=True)
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_session, "_WATCH_SECONDS", 0.05)
    yield


async def started(fake: FakeCore, op: str) -> int:
    """Waits until an operation is submitted and gives its ticket."""
    while not any(name == op for _, name, _ in fake.submitted):
        await asyncio.sleep(0)
    return fake.ticket_of(op)


async def test_completes_from_another_thread(fake: FakeCore) -> None:
    session = Session()
    call = asyncio.ensure_future(session.call("find", {"query": {}}))
    ticket = await started(fake, "find")
    threading.Thread(target=fake.push, args=(DONE, ticket, {"agents": []})).start()
    assert await asyncio.wait_for(call, 20) == ({"agents": []}, [])
    session.shut()


async def test_failure_is_typed(fake: FakeCore) -> None:
    session = Session()
    call = asyncio.ensure_future(session.call("request", {}))
    ticket = await started(fake, "request")
    fake.push(FAILED, ticket, {"kind": "busy", "message": "full", "rejection": True})
    with pytest.raises(errors.BusyError) as raised:
        await asyncio.wait_for(call, 20)
    assert isinstance(raised.value, errors.Rejected)
    session.shut()


async def test_cancelling_gives_the_operation_up(fake: FakeCore) -> None:
    session = Session()
    call = asyncio.ensure_future(session.call("request", {}))
    ticket = await started(fake, "request")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert fake.cancelled == [ticket]
    session.shut()


@pytest.mark.parametrize("late", [True, False])
async def test_result_that_comes_with_the_cancellation_is_given_up(
    fake: FakeCore, late: bool
) -> None:
    session = Session()
    call = asyncio.ensure_future(session.call("stream", {}))
    ticket = await started(fake, "stream")
    if late:
        call.cancel()
        await asyncio.sleep(0)
        fake.push(DONE, ticket, {"stream": 7})
    else:
        # The result and the cancellation in the same turn of the loop.
        session._dispatch(DONE, ticket, {"stream": 7}, [])
        call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert fake.cancelled == [ticket]
    session.shut()


async def test_cancelling_on_another_loop_gives_up_what_was_not_submitted_yet(
    fake: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session()
    told: list[str] = []
    submitting, gave_up = threading.Event(), threading.Event()
    submit = fake.submit

    def late(*arguments: Any) -> bool:
        # The loop of the session is busy until the one who asked has given up.
        submitting.set()
        assert gave_up.wait(20)
        told.append("submit")
        return submit(*arguments)

    def cancel(_: int, ticket: int) -> None:
        told.append(f"cancel {ticket}")

    monkeypatch.setattr("hubless._core.submit", late)
    monkeypatch.setattr("hubless._core.cancel", cancel)

    async def there() -> None:
        call = asyncio.ensure_future(session.call("request", {}))
        while not submitting.is_set():
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gave_up.set()

    await asyncio.to_thread(asyncio.run, there())
    for _ in range(100):
        await asyncio.sleep(0)
    ((ticket, _, _),) = fake.submitted
    assert told[-2:] == ["submit", f"cancel {ticket}"]
    session.shut()


async def test_a_read_given_up_on_another_loop_is_left_to_the_next_one(fake: FakeCore) -> None:
    session = Session()
    feed = Feed(SimpleNamespace(session=session), "discover", {})  # type: ignore[arg-type]
    feed._took(7)
    asked = threading.Event()

    async def there() -> Any:
        first = asyncio.ensure_future(feed._next())
        while not asked.is_set():
            await asyncio.sleep(0.001)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        fake.push(DONE, reading, {"items": [{"n": 1}, {"n": 2}], "end": True})
        return [await asyncio.wait_for(feed._next(), 20) for _ in range(3)]

    read = asyncio.ensure_future(asyncio.to_thread(asyncio.run, there()))
    reading = await started(fake, "stream.next")
    asked.set()
    assert await read == [{"n": 1}, {"n": 2}, None]
    assert [op for _, op, _ in fake.submitted] == ["stream.next"]
    assert fake.cancelled == []
    session.shut()


@pytest.mark.parametrize("where", ["drain", "loads"])
async def test_what_cannot_be_taken_ends_the_session(
    fake: FakeCore, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    session = Session()
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    calls = [asyncio.ensure_future(session.call("request", {"n": n})) for n in range(2)]
    ticket = await started(fake, "request")

    def exhausted(*_: Any) -> None:
        raise MemoryError

    place = "hubless._core.drain" if where == "drain" else "hubless._wire.loads"
    monkeypatch.setattr(place, exhausted)
    fake.push(DONE, ticket, {})
    for call in calls:
        with pytest.raises(errors.ClosedError):
            await asyncio.wait_for(call, 20)
    assert fake.closed and session.closed
    assert [type(context["exception"]) for context in reported] == [MemoryError]


async def test_close_fails_what_is_open(fake: FakeCore) -> None:
    session = Session()
    call = asyncio.ensure_future(session.call("request", {}))
    await started(fake, "request")
    session.shut()
    session.shut()
    with pytest.raises(errors.ClosedError):
        await call
    with pytest.raises(errors.ClosedError):
        await session.call("request", {})
    assert fake.closed


async def test_works_from_another_loop(fake: FakeCore) -> None:
    session = Session()

    def elsewhere() -> Any:
        return asyncio.run(session.call("find", {"from": "thread"}))

    call = asyncio.ensure_future(asyncio.to_thread(elsewhere))
    ticket = await started(fake, "find")
    fake.push(DONE, ticket, {"agents": []})
    assert (await call)[0] == {"agents": []}
    session.shut()


async def test_drains_more_than_a_batch_in_order(fake: FakeCore) -> None:
    session = Session()
    seen: list[int] = []
    session.on[LOG] = lambda _, body, __: seen.append(body["n"])
    for number in range(1000):
        fake.push(LOG, 0, {"n": number})
    while len(seen) < 1000:
        await asyncio.sleep(0.001)
    assert seen == list(range(1000))
    session.shut()


async def test_one_bad_event_does_not_lose_the_others(fake: FakeCore) -> None:
    session = Session()
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    seen: list[int] = []

    def handler(_: int, body: dict[str, Any], __: list[bytes]) -> None:
        if body["n"] == 1:
            raise RuntimeError("broken")
        seen.append(body["n"])

    session.on[LOG] = handler
    for number in range(3):
        fake.push(LOG, 0, {"n": number})
    while len(seen) < 2:
        await asyncio.sleep(0.001)
    assert seen == [0, 2]
    assert len(reported) == 1
    session.shut()


async def test_collected_session_is_closed(fake: FakeCore) -> None:
    Session()
    for _ in range(1000):
        if fake.closed:
            break
        await asyncio.sleep(0.001)
    assert fake.closed


async def test_body_that_json_cannot_say_submits_nothing(fake: FakeCore) -> None:
    session = Session()
    with pytest.raises(errors.InvalidArgumentError):
        await session.call("request", {"content": {"value": float("inf")}})
    assert fake.submitted == []
    session.shut()
