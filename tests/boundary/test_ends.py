"""The end of a process with calls pending: a typed error for each, and 1,000 calls to the next."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Awaitable, Callable

import pytest
from caller import LOST, Caller
from subjects import LANGUAGES, Subject, Subjects

import hubless

# Brings a process to its end; gives its status.
End = Callable[[Caller, Subject], Awaitable[int]]


async def exits_at_once(caller: Caller, subject: Subject) -> int:
    caller.begin(subject, "exits", "now")
    return 7


async def exits_with_a_second_loop_running(caller: Caller, subject: Subject) -> int:
    await caller.begin_beside(subject)
    caller.begin(subject, "exits", "ends")
    return 0


async def is_killed(_: Caller, subject: Subject) -> int:
    subject.signal(signal.SIGKILL)
    return -signal.SIGKILL


@pytest.mark.parametrize("end", [exits_at_once, exits_with_a_second_loop_running, is_killed])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_serves_on_after_a_process_that(
    caller: Caller, subjects: Subjects, language: str, end: End
) -> None:
    subject = subjects.running(language)
    await caller.meets(subject)
    pending = await caller.holds(subject)
    status = await end(caller, subject)
    await pending.lost()
    assert subject.ends() == status, subject.said()
    await caller.all_lost()
    again = subjects.running(language)
    assert again.node_key != subject.node_key
    await caller.serves_further(again)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_serves_on_after_a_process_that_has_no_memory_left(
    caller: Caller, subjects: Subjects, language: str
) -> None:
    subject = subjects.bounded(language)
    await caller.meets(subject)
    pending = await caller.holds(subject)
    with pytest.raises(hubless.Error) as raised:
        await caller.ask(subject, "memory")
    # Some runtimes end their process then, and others only the handler. A thread that ends alone
    # leaves a process that is there and silent: such a one is ended here.
    kind = raised.value.kind
    assert kind in LOST | {"deadline"}, raised.value
    if kind == "handler_failed":
        await pending.answered()
        assert subject.alive(), subject.said()
    elif kind == "deadline":
        subjects.kill(language)
        await pending.lost()
    else:
        await pending.lost()
        with contextlib.suppress(subprocess.TimeoutExpired):
            assert subject.ends() != 0
        subjects.kill(language)
    await caller.serves_further(subjects.running(language))
    # Without the bound for whoever comes next.
    subjects.kill(language)
