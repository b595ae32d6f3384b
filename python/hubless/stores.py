"""The small tables of a node: templates, credentials, pins.

Owns their methods. Must not know requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _wire
from .options import Credential
from .records import build

if TYPE_CHECKING:
    from .node import Node

__all__ = ["Credentials", "Pin", "Pins", "Templates"]

Provider = Callable[[str], str | Credential | Awaitable[str | Credential | None] | None]


class Templates:
    """Holds request templates by name; a request names one by ``Options(template=...)``.

    >>> await node.templates.set("quiet", {"metadata": {"log": False}})
    >>> @node.agent
    ... async def tells(ctx: hubless.Call) -> bool:
    ...     return ctx.metadata["log"]
    >>> (await node.request("tells", options=hubless.Options(template="quiet"))).value
    False
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    async def set(self, name: str, template: Mapping[str, Any]) -> None:
        """Stores a template; never an id, a deadline, a trace or an idempotency key.

        ``InvalidArgumentError`` names a field that a template cannot have.
        """
        await self._node.op("template.set", {"name": name, "template": template})

    async def remove(self, name: str) -> None:
        """Removes a template."""
        await self._node.op("template.remove", {"name": name})

    async def list(self) -> Sequence[str]:
        """Gives the names of the stored templates."""
        answer = await self._node.op("template.list", {})
        return [*answer.get("templates", ())]


class Credentials:
    """Holds what is shown to agents that require it, by agent id, mesh or URL origin.

    >>> async def vault() -> str:
    ...     return "in"
    >>> rules = hubless.Requirements(auth=hubless.SharedSecret("letmein"))
    >>> agent = await node.register(vault, requirements=rules)
    >>> await node.credentials.set(agent.id, "letmein")
    >>> (await node.request("vault")).value
    'in'
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    async def set(
        self, target: str, secret: str | Credential | Provider, *, scheme: str | None = None
    ) -> None:
        """Stores a secret, or a function that is asked for one with the target.

        Kept in memory and never shown; a target that has none here falls back to what the command
        ``hubless secret`` wrote to the data folder.
        """
        body: dict[str, Any] = {"target": target}
        if callable(secret):
            self._node.inbound.providers[target] = secret
            body["provider"] = target
        elif isinstance(secret, Credential):
            body |= _wire.compact({"secret": secret.secret, "scheme": scheme or secret.scheme})
        else:
            body |= _wire.compact({"secret": secret, "scheme": scheme})
        await self._node.op("credential.set", body)

    async def remove(self, target: str) -> None:
        """Removes what is stored for a target."""
        await self._node.op("credential.remove", {"target": target})
        self._node.inbound.providers.pop(target, None)


@dataclass(frozen=True)
class Pin:
    """Says which agent id a name stands for.

    >>> hubless.stores.Pin("rate", "did:key:z6Mk").name
    'rate'
    """

    name: str
    agent_id: str


class Pins:
    """Holds which agent id a name stands for; kept in the data folder.

    >>> async def rate(pair: str) -> float:
    ...     return 1.0862
    >>> agent = await node.register(rate)
    >>> await node.pins.set("rate", agent.id)
    >>> [pin.name for pin in await node.pins.list()]
    ['rate']
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    async def list(self) -> Sequence[Pin]:
        """Gives all pins.

        A name is pinned to the agent id that it stood for at its first use.
        """
        answer = await self._node.op("pin.list", {})
        return [build(Pin, pin) for pin in answer.get("pins", ())]

    async def set(self, name: str, agent_id: str) -> None:
        """Pins a name to an agent id."""
        await self._node.op("pin.set", {"name": name, "agentId": agent_id})

    async def remove(self, name: str) -> None:
        """Removes a pin; the next use pins again."""
        await self._node.op("pin.remove", {"name": name})
