"""After each fault of a handler its process serves 1,000 further calls, and no handle is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from caller import Caller
from subjects import LANGUAGES, PATIENCE, Subject, Subjects

from hubless import Options, errors, where

STREAMED = 3
NODES = 3
# The exit status of a forked child that saw what it should.
SEEN = 7

Fault = Callable[[Caller, Subject], Awaitable[None]]


async def raises(caller: Caller, subject: Subject) -> None:
    with pytest.raises(errors.HandlerFailedError):
        await caller.ask(subject, "raises")


async def returns_what_no_answer_can_carry(caller: Caller, subject: Subject) -> None:
    with pytest.raises(errors.HandlerFailedError):
        await caller.ask(subject, "wrong")


async def never_returns(caller: Caller, subject: Subject) -> None:
    with pytest.raises(errors.DeadlineError):
        await caller.ask(subject, "never", True, total=0.3)
    assert await caller.free(subject) == "place is free"


async def is_cancelled_while_streaming(caller: Caller, subject: Subject) -> None:
    before = await caller.stats(subject)
    seen = 0
    async for chunk in caller.node.stream(subject.name("chunks")):
        assert chunk.text == "x"
        seen += 1
        if seen == STREAMED:
            break
    assert seen == STREAMED
    await caller.settles(subject, ended=before["ended"] + 1)


async def unregisters_itself(caller: Caller, subject: Subject) -> None:
    assert await caller.ask(subject, "leaves") == "last words"
    until = time.monotonic() + PATIENCE
    # Another process hears of it a moment later.
    named = where("name").equals(subject.name("leaves"))
    while await caller.node.find(filter=named, wait=0.0):
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
    with pytest.raises(errors.NotFoundError):
        await caller.node.request(subject.name("leaves"), options=Options(wait=0.0))


async def starts_and_closes_nodes(caller: Caller, subject: Subject) -> None:
    assert await caller.ask(subject, "nests") == NODES


async def forks(caller: Caller, subject: Subject) -> None:
    pending = await caller.holds(subject)
    assert await caller.ask(subject, "forks") == SEEN
    await pending.answered()


async def ends_one_of_two_event_loops(caller: Caller, subject: Subject) -> None:
    beside = await caller.begin_beside(subject)
    pending = await caller.holds(subject)
    await caller.ask(subject, "unloop")
    await caller.is_lost(beside)
    await pending.answered()


FAULTS: tuple[Fault, ...] = (
    raises,
    returns_what_no_answer_can_carry,
    never_returns,
    is_cancelled_while_streaming,
    starts_and_closes_nodes,
    forks,
    ends_one_of_two_event_loops,
    unregisters_itself,
)
CASES = [
    pytest.param(language, fault, id=f"{language}-{fault.__name__}")
    for language in LANGUAGES
    for fault in FAULTS
    # The JVM cannot fork.
    if (language, fault) != ("kotlin", forks)
]


@pytest.mark.parametrize(("language", "fault"), CASES)
async def test_serves_on_after_a_handler_that(
    caller: Caller, subjects: Subjects, language: str, fault: Fault
) -> None:
    subject = subjects.running(language)
    await caller.meets(subject)
    before = await caller.stats(subject)
    await fault(caller, subject)
    await caller.serves_further(subject)
    gone = 1 if fault is unregisters_itself else 0
    await caller.settles(subject, handles=before["handles"] - gone)


async def test_a_whole_number_arrives_as_it_is_or_not_at_all(
    caller: Caller, subjects: Subjects
) -> None:
    large = 2**53 + 1
    for language in ("python", "node"):
        await caller.meets(subjects.running(language))
    assert await caller.ask(subjects.running("python"), "steady", large) == large + 1
    doubles = subjects.running("node")
    with pytest.raises(errors.JsonError) as raised:
        await caller.ask(doubles, "steady", large)
    assert (raised.value.code, raised.value.field) == ("number_precision", "content")
    assert await caller.ask(doubles, "steady", large - 3) == large - 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_ends_in_good_order_with_no_handle_left(subjects: Subjects, language: str) -> None:
    subject = subjects.running(language)
    assert subject.end() == ("handles 0", 0), subject.said()
