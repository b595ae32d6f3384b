"""The fixtures of pytest: ``hubless_mesh`` and ``hubless_node``.

A project asks for them in its top ``conftest.py``: ``pytest_plugins = ["hubless.pytest"]``. There
is no entry point on purpose: pytest would load the library in every project of the environment.
The fixtures are of ``pytest-asyncio`` where that is installed, else plain ones, which the plugin
of anyio runs. Tested by ``tests/test_testing.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from .node import Node
from .testing import Mesh, mesh

__all__ = ["hubless_mesh", "hubless_node"]


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
    async with mesh() as made:
        yield made


@_async_fixture
async def hubless_node(hubless_mesh: Mesh) -> Node:
    """The node of ``hubless_mesh``."""
    return hubless_mesh.node
