"""Every test gets a home of its own and must leave no handle behind."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from programs import Programs

import hubless
from hubless import _core
from hubless._session import Session

pytest_plugins = ["hubless.pytest"]

# A shell that starts the tests in the background ignores Ctrl-C in everything below it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HUBLESS_HOME", str(tmp_path))
    before = _core.handles()
    yield tmp_path
    gc.collect()
    # Handles are released by tasks of the core that may end a moment after `close`.
    until = time.monotonic() + 20
    while _core.handles() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert _core.handles() == before


@pytest.fixture
async def node() -> AsyncIterator[hubless.Node]:
    async with hubless.Node.start() as started:
        yield started


@pytest.fixture
async def bridge() -> AsyncIterator[Session]:
    """Gives a session without a node, of a library that has the operations ``bridge.*``."""
    if not hasattr(_core, "_panic_now"):
        pytest.skip("built without the feature `testing`")
    session = Session()
    yield session
    session.shut()


@pytest.fixture
def programs(home: Path) -> Iterator[Programs]:
    made = Programs(home)
    yield made
    made.end()
