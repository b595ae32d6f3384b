"""The contract's functions as they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time

import pytest

from hubless import _core


def test_unknown_session_is_closed() -> None:
    assert not _core.submit(12345, 1, "node.status", b"{}", [])
    assert _core.drain(12345, 10) == []
    assert not _core.wait(12345, 0.01)
    _core.cancel(12345, 1)
    _core.close(12345)


def test_bodies_that_are_no_objects_are_refused() -> None:
    session = _core.open()
    for ticket, body in enumerate((b"[]", b"\xff", b'{"a":', b"1"), start=1):
        assert _core.submit(session, ticket, "node.start", body, [])
    events = take(session, 4)
    _core.close(session)
    assert {kind for kind, *_ in events} == {2}
    assert all(b"invalid_argument" in body for _, _, body, _ in events)


def take(session: int, count: int) -> list[tuple[int, int, bytes, list[bytes]]]:
    events: list[tuple[int, int, bytes, list[bytes]]] = []
    until = time.monotonic() + 5
    while len(events) < count and time.monotonic() < until:
        assert _core.wait(session, 1.0)
        events += _core.drain(session, 100)
    return events


def test_unknown_operation_names_the_field() -> None:
    session = _core.open()
    _core.submit(session, 1, "no.such", b"{}", [])
    ((kind, ticket, body, _),) = take(session, 1)
    assert (kind, ticket) == (2, 1)
    assert b'"field":"op"' in body
    _core.close(session)


def test_what_is_asked_is_answered_at_once_without_a_session() -> None:
    done, answer = _core.ask("switch.new", b'{"calls": 5}')
    assert done
    number = answer.partition(b":")[2].rstrip(b"}")
    done, state = _core.ask("switch.state", b'{"switch": %b}' % number)
    assert done
    assert b'"state":"armed"' in state
    assert _core.ask("switch.drop", b'{"switch": %b}' % number) == (True, b"{}")
    for op, body, field in (
        ("switch.state", b'{"switch": %b}' % number, b"switch"),
        ("switch.new", b'{"calls": -1}', b"calls"),
        ("switch.new", b"\xff", b"body"),
        ("node.start", b"{}", b"op"),
    ):
        done, error = _core.ask(op, body)
        assert not done
        assert b'"field":"%b"' % field in error


def test_doorbell_is_an_eventfd_that_close_takes_away() -> None:
    session = _core.open()
    fd = _core.ring_fd(session)
    _core.submit(session, 1, "no.such", b"{}", [])
    take_rung(fd)
    _core.unring(session)
    with pytest.raises(OSError):
        os.fstat(fd)
    _core.close(session)


def test_a_late_ring_reaches_no_descriptor_of_somebody_else() -> None:
    reused = 0
    for _ in range(200):
        session = _core.open()
        fd = _core.ring_fd(session)
        for ticket in range(1, 9):
            _core.submit(session, ticket, "no.such", b"{}", [])
        _core.unring(session)
        other = os.eventfd(0, os.EFD_NONBLOCK)
        reused += other == fd
        assert len(take(session, 8)) == 8
        _core.close(session)
        # Nobody has written to it.
        with pytest.raises(BlockingIOError):
            os.read(other, 8)
        os.close(other)
    assert reused, "no number was taken again, which shows nothing"


def take_rung(fd: int) -> None:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            assert os.read(fd, 8) != b""
            return
        except BlockingIOError:
            time.sleep(0.001)
    raise AssertionError("the doorbell did not ring")


def test_wait_lets_other_threads_run_and_ends_at_close() -> None:
    session = _core.open()
    waited: list[bool] = []
    thread = threading.Thread(target=lambda: waited.append(_core.wait(session, 30.0)))
    thread.start()
    # Only runs because the waiting thread is detached from the interpreter.
    _core.close(session)
    thread.join(5)
    assert waited == [False]


def test_close_is_idempotent_and_counts_back() -> None:
    before = _core.handles()
    session = _core.open()
    assert _core.handles() > before
    _core.close(session)
    _core.close(session)
    assert _core.handles() == before


built_for_tests = pytest.mark.skipif(
    not hasattr(_core, "_panic_now"), reason="built without the feature `testing`"
)


@built_for_tests
def test_panic_is_an_error_of_kind_internal() -> None:
    with pytest.raises(_core.CoreError) as raised:
        _core._panic_now()  # type: ignore[attr-defined,unused-ignore]
    assert raised.value.args[0] == "internal"


@built_for_tests
def test_a_sleep_that_is_given_up_ends_once_and_one_that_is_closed_as_well() -> None:
    session = _core.open()
    for ticket in (1, 2):
        assert _core.submit(session, ticket, "bridge.sleep", b'{"ms": 3600000}', [])
    assert _core.drain(session, 10) == []
    _core.cancel(session, 1)
    ((kind, ticket, body, _),) = take(session, 1)
    assert (kind, ticket) == (2, 1)
    assert b'"kind":"cancelled"' in body
    _core.close(session)
    ((kind, ticket, body, _),) = _core.drain(session, 10)
    assert (kind, ticket) == (2, 2)
    assert b'"kind":"closed"' in body
    assert _core.drain(session, 10) == []


@pytest.mark.skipif(shutil.which("readelf") is None, reason="nothing reads the file's header")
def test_the_interpreter_that_loads_it_is_the_only_one() -> None:
    """With a libpython of its own it would not load, or be a second interpreter."""
    assert _core.__file__ is not None
    header = subprocess.run(
        ["readelf", "--dynamic", _core.__file__], check=True, capture_output=True, text=True
    ).stdout
    needed = [line for line in header.splitlines() if "NEEDED" in line]
    assert any("libc." in line for line in needed)
    assert not [line for line in needed if "python" in line]
