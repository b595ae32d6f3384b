"""Every test gets a home of its own and must leave no handle behind."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import hubless
from hubless import _core


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HUBLESS_HOME", str(tmp_path))
    before = _core.handles()
    yield tmp_path
    gc.collect()
    # Handles are released by tasks of the core that may end a moment after `close`.
    until = time.monotonic() + 5
    while _core.handles() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert _core.handles() == before


@pytest.fixture
async def node() -> AsyncIterator[hubless.Node]:
    async with hubless.Node.start() as started:
        yield started


def environment(home: Path) -> dict[str, str]:
    """Gives the environment of another process of the same home."""
    package = str(Path(__file__).parent.parent)
    return {**os.environ, "HUBLESS_HOME": str(home), "PYTHONPATH": package}
