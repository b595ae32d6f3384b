"""What programs are tested with: a mesh of their own, fake peers, recordings.

``mesh()`` is a mesh in a temporary home that meets nobody else and is removed at its end. A fake
peer answers by a script and remembers what it was asked; a recorder writes down what passes
between callers and a real peer, and ``Mesh.replay`` answers from that without the peer. For
pytest there are the fixtures ``hubless_mesh`` and ``hubless_node`` (``hubless.pytest``).

Owns the Python form of it; scripts, matching and redaction are the core's (the contract, section
8). Tested by ``tests/test_testing.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import _wire
from ._session import ask
from .budget import Terms
from .content import Content, content_of
from .errors import InvalidArgumentError
from .node import Node
from .options import Credential, Settings, Skill
from .records import Caller, build, to_record
from .requests import MISSING

__all__ = ["Asked", "FakePeer", "Mesh", "Recorder", "mesh"]

Mode = Literal["byContent", "strict", "loose"]


@dataclass(frozen=True)
class Asked:
    """Is a request that a fake peer was asked.

    ``value`` is the one text or data of its content, ``step`` the step that answers it, counted
    from 0, and None where none does. ``ending`` is ``open``, ``answered``, ``failed``,
    ``refused`` (no step fitted) or ``cancelled``.

    >>> async with hubless.testing.mesh() as mesh:
    ...     fake = await mesh.fake("weather", answer="cold")
    ...     reply = await mesh.node.request("weather", city="Oslo")
    ...     [asked] = await fake.asked()
    >>> asked.value, asked.ending
    ({'city': 'Oslo'}, 'answered')
    """

    skill: str
    content: Content
    caller: Caller
    conversation_id: str
    metadata: Mapping[str, Any]
    step: int | None
    ending: Literal["open", "answered", "failed", "refused", "cancelled"]

    @property
    def value(self) -> Any:
        """The value of its one text or data part, else None."""
        return self.content.value

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return self.content.text


class _TestPeer:
    """Is an agent of a node of the mesh that the core answers for."""

    def __init__(self, node: Node, record: Mapping[str, Any]) -> None:
        self.node = node
        self.handle = int(record["agent"])
        self.id = str(record["agentId"])
        self.address = str(record["address"])
        self.name = str(record["name"])

    async def unregister(self) -> None:
        """Takes it out at once; running calls of it end with ``closed``."""
        await self.node.op("unregister", {"agent": self.handle, "graceMs": 0})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class FakePeer(_TestPeer):
    """Is an agent that answers by a script.

    A request that no step fits is refused: ``HandlerFailedError``, code ``script_unmatched`` or
    ``script_used_up``, whose text names what came and which steps are open.

    >>> async with hubless.testing.mesh() as mesh:
    ...     fake = await mesh.fake("weather", steps=[
    ...         {"when": {"contains": {"city": "Oslo"}}, "answer": {"value": 7}},
    ...         {"error": {"kind": "busy", "message": "come back later"}},
    ...     ])
    ...     oslo = await mesh.node.request("weather", city="Oslo")
    ...     busy = await mesh.node.send("weather", city="Rome")
    ...     await fake.verify()
    >>> oslo.value, busy.rejection.kind
    (7, 'busy')
    """

    async def asked(self, at_least: int = 0) -> Sequence[Asked]:
        """Waits for so many requests and gives the last 10,000 of them, oldest first.

        Of more than 64 MiB in all, the oldest are forgotten as well.
        """
        await self.node.inbound.settled()
        body = {"agent": self.handle, "atLeast": at_least}
        answer, attachments = await self.node.session.call("testing.asked", body)
        return [self._asked(one, attachments) for one in answer.get("asked", ())]

    def _asked(self, record: Mapping[str, Any], attachments: Sequence[bytes]) -> Asked:
        return Asked(
            skill=record.get("skill", ""),
            content=content_of(self.node.session, record.get("content"), attachments),
            caller=build(Caller, record.get("caller")),
            conversation_id=record.get("conversationId", ""),
            metadata=record.get("metadata") or {},
            step=record.get("step"),
            ending=record["ending"],
        )

    async def count(self) -> int:
        """Says how many requests have come."""
        answer = await self.node.op("testing.asked", {"agent": self.handle, "countOnly": True})
        return int(answer["count"])

    async def release(self, gate: str) -> None:
        """Opens a gate for good: answers of steps with ``hold: gate`` go on.

        ``InvalidArgumentError``, field ``gate``, unless a step is held by it.
        """
        await self.node.op("testing.release", {"agent": self.handle, "gate": gate})

    async def verify(self) -> None:
        """Checks that the whole script was asked for, and nothing else.

        Raises ``ConflictError``, code ``script_unmet``, naming what is open and what did not fit.
        """
        await self.node.op("testing.verify", {"agent": self.handle})


class Recorder(_TestPeer):
    """Stands in for a real peer and writes down what passes.

    What was asked and answered is recorded with chunks, progress and errors. Values under names
    such as ``password``, ``token`` and ``apiKey`` never get into the file, nor credentials of
    requests; tools and questions pass through unrecorded, and bytes of blobs are not looked into.

    >>> async with hubless.testing.mesh() as mesh:
    ...     real = await mesh.fake("weather", answer="cold")
    ...     recorder = await mesh.record("weather", name="recorded")
    ...     live = await mesh.node.request("recorded", city="Oslo", token="a secret")
    ...     path = mesh.home / "weather.json"
    ...     steps = await recorder.save(path)
    ...     await real.unregister()
    ...     again = await mesh.replay(path)
    ...     reply = await mesh.node.request("weather", city="Oslo", token="another")
    ...     await again.verify()
    ...     written = path.read_text()
    >>> steps, live.value, reply.value, "a secret" in written
    (1, 'cold', 'cold', False)
    """

    async def save(self, path: str | os.PathLike[str]) -> int:
        """Writes the recording, whole or not at all, and says how many requests are in it.

        Requests that have not ended are not in it. ``TooLargeError`` beyond 10,000 requests or
        64 MiB; ``ConfigurationError``, code ``not_writable``.
        """
        body = {"agent": self.handle, "path": _absolute(path)}
        return int((await self.node.op("testing.save", body))["steps"])


class Mesh:
    """Is a mesh of its own in a temporary home; its end closes its nodes and removes the home.

    Its nodes read no ``HUBLESS_*`` variable, bind loopback only and meet nobody else.

    >>> async with hubless.testing.mesh() as mesh:
    ...     other = await mesh.start()
    ...     fake = await mesh.fake("weather", answer={"tempC": 7})
    ...     reply = await other.request("weather", city="Oslo")
    >>> reply.value
    {'tempC': 7}
    """

    def __init__(self) -> None:
        self._handle: int | None = None
        self._nodes: list[Node] = []
        self._home = ""

    @property
    def home(self) -> Path:
        """The folder of its nodes; files of a test may be put there."""
        return Path(self._home)

    @property
    def node(self) -> Node:
        """The node that was started first."""
        if not self._nodes:
            raise InvalidArgumentError("expected `async with hubless.testing.mesh()`", field="mesh")
        return self._nodes[0]

    async def __aenter__(self) -> Mesh:
        made = ask("testing.mesh", {})
        self._handle, self._home = made["mesh"], made["home"]
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(
        self,
        name: str | None = None,
        *,
        log: Literal["error", "warn", "info", "debug", "trace"] | None = None,
        max_concurrency: int | None = None,
        orphans: Literal["refuse", "allow"] | Terms | None = None,
        trace: str | os.PathLike[str] | None = None,
    ) -> Node:
        """Starts another node of this mesh; the arguments are those of ``Node.start``."""
        settings = Settings(
            name=name,
            log=log,
            max_concurrency=max_concurrency,
            orphans=orphans,
            trace=os.fspath(trace) if trace is not None else None,
            testing=self._handle,
        )
        node = await Node._start(settings)
        self._nodes.append(node)
        return node

    async def fake(
        self,
        name: str,
        script: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        *,
        steps: Sequence[Mapping[str, Any]] = (),
        answer: Any = MISSING,
        skills: Sequence[str | Skill] = (),
        node: Node | None = None,
        **agent: Any,
    ) -> FakePeer:
        """Registers a fake peer at the first node, or at ``node``.

        The script is a mapping or the path of a JSON file; or ``steps``, and ``answer``, the value
        of what no step fits. ``agent`` are further fields of a descriptor, such as ``tags``.
        """
        if script is None:
            said = {"answer": {"value": answer}} if answer is not MISSING else None
            script = _wire.compact({"steps": list(steps), "otherwise": said})
        elif steps or answer is not MISSING:
            raise InvalidArgumentError("give a script, or steps and answer", field="script")
        elif not isinstance(script, Mapping):
            script = _read(script)
        described = [Skill(id=one) if isinstance(one, str) else one for one in skills]
        fields = {_wire.camel(field): value for field, value in agent.items()}
        record = {"name": name, "skills": [one.record() for one in described], **fields}
        body = {"agent": _wire.compact(record), "script": script}
        at = node or self.node
        return FakePeer(at, await at.op("testing.fake", body))

    async def replay(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        mode: Mode | None = None,
        node: Node | None = None,
    ) -> FakePeer:
        """Registers a fake peer that answers as recorded, under the recorded name or ``name``.

        ``strict``, as recorded: requests must come in the recorded order, each once; ``loose``:
        in any order and as often as wanted. Raises ``ConfigurationError``, code ``bad_file`` or
        ``newer_format``.
        """
        agent = {"name": name} if name is not None else {}
        body = _wire.compact({"path": _absolute(path), "mode": mode, "agent": agent})
        at = node or self.node
        return FakePeer(at, await at.op("testing.replay", body))

    async def record(
        self,
        to: str,
        *,
        name: str,
        redact: Sequence[str] = (),
        auth: Credential | None = None,
        node: Node | None = None,
    ) -> Recorder:
        """Registers a recorder of the peer ``to`` under ``name``; ask that one instead.

        ``redact`` are further names whose values are kept out of the recording. A peer of another
        mesh is recorded at a node of that mesh, given as ``node``.
        """
        said = {"to": to, "agent": {"name": name}, "redact": list(redact)}
        credential = to_record(auth) if auth is not None else None
        at = node or self.node
        body = _wire.compact({**said, "auth": credential})
        return Recorder(at, await at.op("testing.record", body))

    async def close(self) -> None:
        """Closes its nodes without grace and removes its home; idempotent."""
        nodes, self._nodes = self._nodes, []
        handle, self._handle = self._handle, None
        # From the last to the first, each also where the one before failed or this was cancelled.
        async with AsyncExitStack() as ending:
            if handle is not None:
                ending.callback(ask, "testing.drop", {"mesh": handle})
            for node in nodes:
                ending.push_async_callback(node.close, 0)


def mesh() -> Mesh:
    """Makes a mesh for one test: ``async with hubless.testing.mesh() as mesh:``."""
    return Mesh()


def _absolute(path: str | os.PathLike[str]) -> str:
    return os.path.abspath(path)


def _read(path: str | os.PathLike[str]) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))
