"""Agents: how a function, object, class or factory becomes one, and the handle of one.

Owns the reading of what the user registers and the choice of the instance for each call. Must
not know how calls arrive. Tested by ``tests/test_handlers.py``.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import re
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import _signature, _wire
from .errors import ConfigurationError, InternalError, InvalidArgumentError
from .options import AuthFunction, Descriptor, Requirements, Skill, TokenCounter
from .schema import hints_of

if TYPE_CHECKING:
    from .node import Node

__all__ = ["Agent", "skill"]

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__hubless_skill__"


@dataclass(frozen=True)
class Registration:
    """Says how an agent is registered; the short form of a descriptor."""

    name: str | None = None
    title: str | None = None
    description: str | None = None
    version: str | None = None
    tags: Sequence[str] = ()
    skill: Skill | None = None
    descriptor: Descriptor | None = None
    requirements: Requirements | None = None
    concurrency: Literal["shared", "isolated"] | None = None
    identity: str | None = None
    transient: bool = False
    replica: bool = False


def skill(declared: Skill | None = None, /, **fields: Any) -> Callable[[F], F]:
    """Marks a method of a class as a skill of its own.

    ``@hubless.skill(tags=["fx"], effect="PURE")``; the arguments are the fields of ``Skill``.

    >>> class Numbers:
    ...     @hubless.skill(effect="PURE")
    ...     def double(self, x: int) -> int:
    ...         return 2 * x
    >>> agent = await node.register(Numbers())
    >>> (await node.request("numbers", skill="double", x=4)).value
    8
    """
    described = declared or Skill(**fields)

    def mark(function: F) -> F:
        setattr(function, _MARK, described)
        return function

    return mark


@dataclass(frozen=True)
class Method:
    """Is one skill: its record, how input is bound, and where the function is found."""

    skill: Skill
    signature: _signature.Signature
    attribute: str | None

    def record(self) -> dict[str, Any]:
        """Gives the skill's record of the contract."""
        derived = _wire.compact(
            {
                "id": self.signature.name,
                "description": self.signature.description,
                "inputSchema": self.signature.input_schema,
                "outputSchema": self.signature.output_schema,
            }
        )
        return {**derived, **self.skill.record()}


class Implementation:
    """Is what stands behind an agent: its skills and the instance that answers a call."""

    def __init__(self, handler: Any, factory: Callable[[], Any] | None, how: Registration) -> None:
        if (handler is None) == (factory is None):
            raise InvalidArgumentError("give a handler or a factory", field="handler")
        self.isolated = factory is not None or how.concurrency == "isolated"
        if factory is not None and how.concurrency == "shared":
            raise ConfigurationError("a factory makes one instance per call", field="concurrency")
        self._make = factory
        self._instance: Any = None
        if isinstance(handler, type):
            self._make = handler
        elif handler is not None:
            self._instance = handler
        if self._make is not None and not self.isolated:
            self._instance = self._make()
        function = inspect.isroutine(handler)
        if function and self.isolated:
            raise ConfigurationError(
                "a function cannot be isolated: give a class or a factory", field="concurrency"
            )
        self.methods = self._read(handler, function, how)
        only = next(iter(self.methods.values())) if len(self.methods) == 1 else None
        # Skills that are only described are those of the one function that there is.
        described = how.descriptor.skills if how.descriptor else ()
        self._behind = {
            **{str(skill.id): only for skill in described if only is not None},
            **self.methods,
        }
        self.name = _name(handler if handler is not None else factory)
        documented = handler if handler is not None else factory
        self.description = inspect.getdoc(documented) or ""

    def _read(self, handler: Any, function: bool, how: Registration) -> dict[str, Method]:
        described = how.skill or Skill()
        if function:
            method = Method(described, _signature.read(handler, how.name), None)
            return {str(method.record()["id"]): method}
        example = handler if handler is not None else self._sample()
        found = _methods(example, described)
        if not found:
            raise ConfigurationError(
                "the object has neither a method `handle` nor one marked with hubless.skill",
                field="handler",
            )
        return found

    def _sample(self) -> Any:
        assert self._make is not None
        hints = hints_of(self._make) if inspect.isroutine(self._make) else {}
        made = hints.get("return")
        if isinstance(made, type) and made is not object:
            return made
        sample = self._make()
        if inspect.isawaitable(sample):
            closing = getattr(sample, "close", None)
            if closing is not None:
                closing()
            raise ConfigurationError(
                "an async factory must say what it returns: `async def make() -> Thing`",
                field="factory",
            )
        return sample

    def method(self, skill: str | None) -> Method:
        """Finds what stands behind the skill of a call; which one is meant the core has said."""
        method = self._behind.get(skill or "")
        if method is None:
            raise InternalError(f"nothing stands behind the skill {skill} of the agent")
        return method

    async def function(self, method: Method, fresh: bool) -> Callable[..., Any]:
        """Gives the function that answers a call, of a new instance where one is due."""
        instance = self._instance
        if fresh and self._make is not None:
            instance = self._make()
            if isinstance(instance, Awaitable):
                instance = await instance
        elif fresh:
            instance = copy.deepcopy(instance)
        if method.attribute is None:
            found: Callable[..., Any] = instance
        else:
            found = getattr(instance, method.attribute)
        return found


def _methods(example: Any, described: Skill) -> dict[str, Method]:
    found: dict[str, Method] = {}
    members = inspect.getmembers(example, callable)
    several = any(hasattr(member, _MARK) for _, member in members)
    for name, member in members:
        marked: Skill | None = getattr(member, _MARK, None)
        if marked is None and name != "handle":
            continue
        signature = _signature.read(_bound(example, name, member))
        if name == "handle" and marked is None:
            # Beside others it is the one that is meant where a request names none.
            own = "handle" if several else _name(example)
            marked = described if described.id else replace(described, id=own)
        method = Method(marked or Skill(), signature, name)
        found[str(method.record()["id"])] = method
    return found


def _bound(example: Any, name: str, member: Any) -> Any:
    """Binds a method of a class as an instance would, so that `self` is not a parameter."""
    static = isinstance(inspect.getattr_static(example, name), staticmethod)
    if isinstance(example, type) and not static and inspect.isfunction(member):
        return member.__get__(object.__new__(example), example)
    return member


def _name(handler: Any) -> str:
    given = getattr(handler, "name", None)
    if isinstance(given, str) and not inspect.isroutine(handler):
        return given
    name = getattr(handler, "__name__", None) or type(handler).__name__
    if inspect.isroutine(handler):
        return str(name)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name)).lower()


def register_record(impl: Implementation, how: Registration) -> dict[str, Any]:
    """Gives the body of ``register``; what the caller says wins over what was read."""
    long = how.descriptor or Descriptor()
    skills = [method.record() for method in impl.methods.values()]
    short = {
        "name": how.name,
        "title": how.title,
        "description": how.description,
        "version": how.version,
        "tags": list(how.tags),
    }
    streams = any(method.signature.streams for method in impl.methods.values())
    only = next(iter(impl.methods.values())).signature.description
    record = {
        "name": impl.name,
        "description": impl.description or (only if len(skills) == 1 else ""),
        "streaming": streams or None,
        "concurrency": "isolated" if impl.isolated else "shared",
        "skills": skills + [declared.record() for declared in long.skills],
        **long.record(),
        **_wire.compact(short),
    }
    if how.requirements is not None:
        record["requirements"] = how.requirements.record()
    if how.identity is not None:
        record["identity"] = {"stored": how.identity}
    flags = {"transient": how.transient or None, "replica": how.replica or None}
    return {**_wire.compact(record), **_wire.compact(flags)}


Health = Literal["up", "suspect", "down"]
"""How well an agent says it is."""


class Agent:
    """Is an agent registered here. ``await`` it to know that it is registered.

    An error of the registration is raised there, or else by the next operation of the node.
    ``reach`` is its id with its node: who is handed it calls the agent at once, while other nodes
    know a transient agent by its ``id``, ``address`` and ``name`` after a second only.

    >>> async def greet(name: str) -> str:
    ...     return f"hello {name}"
    >>> agent = await node.register(greet)
    >>> agent.name
    'greet'
    >>> (await node.request(agent.address, name="you")).value
    'hello you'
    >>> await agent.unregister()
    """

    def __init__(self, node: Node, impl: Implementation, how: Registration) -> None:
        self.node = node
        self.impl = impl
        self.handle = 0
        self.id = ""
        self.address = ""
        self.reach = ""
        self.name = how.name or (how.descriptor and how.descriptor.name) or impl.name
        requirements = how.requirements or Requirements()
        self.auth: AuthFunction | None = None
        if callable(requirements.auth):
            self.auth = requirements.auth
        counter = requirements.token_counter
        self.counter: TokenCounter | None = counter if callable(counter) else None
        self.record = register_record(impl, how)
        self.ready: asyncio.Future[None] = node.session.loop.create_future()

    def __await__(self) -> Generator[Any, None, Agent]:
        yield from self._registered().__await__()
        return self

    async def _registered(self) -> None:
        self.node.inbound.acknowledge(self)
        await self.node.session.run(self._wait())

    async def _wait(self) -> None:
        await asyncio.shield(self.ready)

    def registered(self, answer: Mapping[str, Any]) -> None:
        """Takes the core's answer."""
        self.handle = int(answer["agent"])
        self.id = str(answer.get("agentId", ""))
        self.address = str(answer.get("address", ""))
        self.name = str(answer.get("name", self.name))
        self.reach = str(answer.get("reach", ""))

    async def unregister(self, grace: float | None = None) -> None:
        """Lets running calls end, at most ``grace`` seconds, and refuses new ones.

        Unset, ``grace`` is 10 s.
        """
        await self
        grace_ms = {"graceMs": _wire.milliseconds(grace)} if grace is not None else {}
        await self.node.session.call("unregister", {"agent": self.handle, **grace_ms})
        self.node.inbound.remove(self)

    async def health(self, state: Health) -> None:
        """States how well the agent is, for the order in which others find it.

        One that is ``"down"`` comes last and is still called by who asks for it; ``"up"`` takes
        the word back. Raises kind ``unsupported`` for a transient agent that others know already.

        >>> agent = await node.register(lambda: "ok", name="frail")
        >>> await agent.health("down")
        >>> [found] = await node.find(skill="frail", explain=True)
        >>> next(part.value for part in found.explain if part.signal == "health")
        0.0
        """
        await self
        await self.node.session.call("health", {"agent": self.handle, "health": state})

    def __repr__(self) -> str:
        return f"Agent({self.name!r}, {self.address or 'not registered yet'})"
