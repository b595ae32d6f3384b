"""One home for all subjects; a fresh caller for each test, which leaves no handle behind."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from caller import Caller
from subjects import Subjects

from hubless import Node, _core


@pytest.fixture(scope="session")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subjects]:
    made = Subjects(tmp_path_factory.mktemp("home"))
    yield made
    made.end()


@pytest.fixture
async def caller(subjects: Subjects, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Caller]:
    monkeypatch.setenv("HUBLESS_HOME", str(subjects.home))
    assert _core.handles() == 0
    async with Node.start() as node:
        # The count is able to rise: else its return to none would say nothing.
        assert _core.handles() > 0
        made = Caller(node)
        await made.register()
        yield made
    gc.collect()
    # Handles are released by tasks of the core that may end a moment after `close`.
    until = time.monotonic() + 20
    while _core.handles() > 0 and time.monotonic() < until:
        await asyncio.sleep(0.01)
    assert _core.handles() == 0
