"""Agents as tools of LangChain, by the extra ``hubless[langchain]``.

Owns how a skill becomes a ``StructuredTool``. Must not know how a call is made. ``langchain-core``
is imported by ``as_tools`` alone, so that this module may be imported without it. Tested by
``tests/test_langchain.py``.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._session import blocking
from .errors import Error, NotFoundError
from .find import Lookup, Peer
from .node import Node
from .options import Options
from .requests import MISSING, Asked

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool

__all__ = ["as_tools"]

# Longest name that the providers of models take for a tool.
_NAME_CHARS = 64
# What LangChain itself hands to the function of a tool.
_TAKEN = {"self", "config", "run_manager", "callbacks"}
# The one argument of a skill whose input is no object.
_WHOLE = "input"


async def as_tools(
    node: Node,
    query: Lookup = None,
    *,
    wait: float | None = None,
    timeout: float | None = None,
    options: Options | None = None,
    **fields: Any,
) -> Sequence[StructuredTool]:
    """Makes tools of the agents that a query finds, one for each of their skills.

    ``query``, ``wait`` and the other arguments are those of ``Node.find``; ``timeout`` and
    ``options`` those of ``Node.request``, for every call of a tool. A tool is bound to the agent
    that was found, and has the name of that agent, with the skill's where it has several. Its
    arguments are the input schema of the skill; what is no object, or has an argument that
    LangChain takes for itself, is one argument, ``input``. It
    answers by ``ainvoke`` on any loop, and by ``invoke`` on any thread but that of the node's loop.
    An error of a call is raised as ``ToolException``, with the ``hubless.Error`` as its cause.

    ``ImportError`` without ``langchain-core``; besides, what ``Node.find`` raises.

    >>> @node.agent(tags=["fx"])
    ... async def rate(pair: str) -> float:
    ...     '''Gives the rate of a pair of currencies.'''
    ...     return 1.0862
    >>> (tool,) = await hubless.langchain.as_tools(node, tags=["fx"])
    >>> tool.name, tool.description
    ('rate', 'Gives the rate of a pair of currencies.')
    >>> await tool.ainvoke({"pair": "EURUSD"})
    1.0862
    """
    try:
        from langchain_core.tools import StructuredTool, ToolException
    except ImportError as error:
        raise ImportError(
            "as_tools needs langchain-core: pip install 'hubless[langchain]'",
            name="langchain_core",
        ) from error

    tools: dict[str, StructuredTool] = {}
    for peer in await node.find(query, wait=wait, **fields):
        # Who has left since it was found is no tool.
        with contextlib.suppress(NotFoundError):
            skills = (await node.describe(peer)).skills
            for skill in skills:
                name = _free_name(peer, skill if len(skills) > 1 else {}, tools)
                work = _Work(
                    node, peer, skill, timeout=timeout, options=options, refusal=ToolException
                )
                tools[name] = StructuredTool(
                    name=name,
                    description=skill.get("description") or peer.description or name,
                    args_schema=work.schema,
                    func=work.invoke,
                    coroutine=work.ainvoke,
                )
    return list(tools.values())


class _Work:
    """Is what a tool does: one call of a skill of one agent."""

    def __init__(
        self,
        node: Node,
        peer: Peer,
        skill: Mapping[str, Any],
        *,
        timeout: float | None,
        options: Options | None,
        refusal: type[Exception],
    ) -> None:
        self._node = node
        self._peer = peer
        self._skill = skill.get("id") or None
        self._timeout = timeout
        self._options = options
        self._refusal = refusal
        self.schema, self._is_whole = _arguments(skill.get("inputSchema"))

    async def ainvoke(self, **arguments: Any) -> Any:
        """Calls the agent and gives the value of its answer."""
        value = arguments.get(_WHOLE, MISSING) if self._is_whole else arguments
        asked = Asked(value, self._skill, timeout=self._timeout, options=self._options)
        try:
            return (await self._node.outbound(self._peer, asked)).value
        except Error as error:
            raise self._refusal(str(error)) from error

    def invoke(self, **arguments: Any) -> Any:
        """Does the same, and blocks."""
        return blocking(self.ainvoke(**arguments), self._node.session.loop)


def _arguments(schema: Mapping[str, Any] | None) -> tuple[dict[str, Any], bool]:
    """Makes the schema of the arguments; true: one of them is the whole input."""
    if not schema:
        return {"type": "object", "properties": {_WHOLE: {"type": "string"}}}, True
    given = dict(schema)
    properties = given.get("properties", {})
    if given.get("type") == "object" and not _TAKEN & set(properties):
        return {**given, "properties": properties}, False
    # References stand from the root of a schema.
    kept = [key for key in ("$defs", "definitions") if key in given]
    shared: dict[str, Any] = {key: given.pop(key) for key in kept}
    whole: dict[str, Any] = {"type": "object", "properties": {_WHOLE: given}, "required": [_WHOLE]}
    return {**whole, **shared}, True


def _free_name(peer: Peer, skill: Mapping[str, Any], taken: Mapping[str, object]) -> str:
    """Names a tool in the letters that every provider takes, as nobody else here is named."""
    whole = "_".join(part for part in (peer.name, skill.get("id")) if part)
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", whole)[:_NAME_CHARS] or "agent"
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name[: _NAME_CHARS - 1 - len(str(number))]}_{number}"
    return free
