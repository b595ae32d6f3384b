"""The plugin of pytest: ``hubless_mesh`` and ``hubless_node``.

pytest loads it by its entry point where the package is installed; nothing else imports it. The
fixtures are of ``pytest-asyncio`` where that is installed, else plain ones, which the plugin of
anyio runs. Tested by ``tests/test_testing.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .node import Node
    from .testing import Mesh


def _fixture() -> Callable[..., Any]:
    try:
        import pytest_asyncio
    except ImportError:
        return pytest.fixture
    return pytest_asyncio.fixture


_async_fixture = _fixture()


@_async_fixture
async def hubless_mesh() -> AsyncIterator[Mesh]:
    """A mesh of its own, with one node, for one test."""
    # Only tests that ask for it load the library.
    from .testing import mesh

    async with mesh() as made:
        yield made


@_async_fixture
async def hubless_node(hubless_mesh: Mesh) -> Node:
    """The node of ``hubless_mesh``."""
    return hubless_mesh.node
