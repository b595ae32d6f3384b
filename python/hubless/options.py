"""What an agent publishes and enforces, and what a request may ask for.

Owns the option records of registration and requests. Must not know sessions. Every default is
the core's: what is not set here is not sent.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from . import _wire
from .budget import Amounts, Terms, amounts_record
from .content import Content
from .errors import InvalidArgumentError
from .records import Caller, to_record

if TYPE_CHECKING:
    from .agent import Agent
    from .killswitch import KillSwitch

__all__ = [
    "Accept",
    "Attribute",
    "AuthRequest",
    "Credential",
    "Descriptor",
    "Effect",
    "Interval",
    "Options",
    "Requirements",
    "Retry",
    "SharedSecret",
    "Skill",
    "TokenRule",
    "Verdict",
]

Effect = Literal["PURE", "IDEMPOTENT", "AT_MOST_ONCE"]


@dataclass(frozen=True)
class Interval:
    """Is a closed interval of dates or numbers.

    >>> from datetime import date
    >>> hubless.Interval(date(2021, 1, 1), date(2024, 12, 31)).end.year
    2024
    """

    start: datetime.date | int | float
    end: datetime.date | int | float


Single = str | int | float | bool | datetime.date | Interval
Attribute = Single | Sequence[Single]


def attribute(value: Any) -> Any:
    """Gives the contract's form of an attribute."""
    if isinstance(value, Interval):
        ends = {"from": _end(value.start), "to": _end(value.end)}
        return {"interval": ends}
    if isinstance(value, datetime.date):
        return {"date": value.isoformat()}
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (Sequence, set, frozenset)):
        return [attribute(one) for one in value]
    raise InvalidArgumentError(
        f"a {type(value).__name__} cannot be an attribute", field="attributes"
    )


def _end(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime.date) else value


@dataclass(frozen=True)
class Settings:
    """Is how a node is started. Unset: the user's own mesh, on this machine only."""

    name: str | None = None
    mesh: str | None = None
    home: str | None = None
    listen: str | Sequence[str] | None = None
    port: int | None = None
    lan: bool | None = None
    zones: Sequence[str] = ()
    log: Literal["error", "warn", "info", "debug", "trace"] | None = None
    memory_only: bool | None = None
    max_concurrency: int | None = None
    orphans: Literal["refuse", "allow"] | Terms | None = None
    trace: str | None = None
    gateway: str | None = None
    gateway_key: str | None = field(default=None, repr=False)
    gateway_signer: str | None = None
    refund: str | None = None
    relays: Sequence[str] = ()
    relay_ca: str | None = None
    testing: int | None = None

    def record(self) -> dict[str, Any]:
        """Gives the record of the contract; the level is that of the logger ``hubless``."""
        level = logging.getLogger("hubless").getEffectiveLevel()
        names = ((10, "trace"), (20, "debug"), (30, "info"), (40, "warn"))
        said = next((name for bound, name in names if level < bound), "error")
        record = {**to_record(self), "log": self.log or said}
        if isinstance(self.orphans, Terms):
            record["orphans"] = {"ownBudget": self.orphans.record()}
        return record


@dataclass(frozen=True)
class Skill:
    """Describes one thing an agent can do; what is not set is read from the function.

    ``effect`` says what may be repeated and is ``AT_MOST_ONCE`` unless set. ``attributes`` are
    up to 32 typed facts that others filter by.

    >>> async def rate(pair: str) -> float:
    ...     return 1.0862
    >>> described = hubless.Skill(effect="PURE", attributes={"pair": ["EUR/USD"]})
    >>> agent = await node.register(rate, skill=described)
    >>> agent.name
    'rate'
    """

    id: str | None = None
    title: str | None = None
    description: str | None = None
    tags: Sequence[str] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    effect: Effect | None = None
    spends: Literal["none", "tokens"] | None = None
    share: Literal["no", "mesh", "public"] | None = None
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None
    examples: Sequence[Mapping[str, Any]] = ()
    modes_in: Sequence[str] = ()
    modes_out: Sequence[str] = ()
    cost_hint: Any = None

    def record(self) -> dict[str, Any]:
        """Gives the record of the contract."""
        facts = {name: attribute(value) for name, value in self.attributes.items()}
        return {**to_record(self), **_wire.compact({"attributes": facts})}


@dataclass(frozen=True)
class Descriptor:
    """Is what an agent publishes about itself; the long form of a registration.

    >>> async def rate(pair: str) -> float:
    ...     return 1.0862
    >>> described = hubless.Descriptor(version="1.2.0", content_types_in=["application/json"])
    >>> agent = await node.register(rate, descriptor=described)
    >>> (await node.describe("rate")).descriptor["version"]
    '1.2.0'
    """

    name: str | None = None
    title: str | None = None
    description: str | None = None
    version: str | None = None
    tags: Sequence[str] = ()
    skills: Sequence[Skill] = ()
    groups: Sequence[str] = ()
    context_protocol: Literal["pcp", "mcp", "provider", "none"] | None = None
    input_schema_kind: str | None = None
    context_window_tokens: int | None = None
    content_types_in: Sequence[str] = ()
    content_types_out: Sequence[str] = ()
    allowed_models: Mapping[str, Sequence[str]] = field(default_factory=dict)
    streaming: bool | None = None
    cost_hint: Any = None
    tools: Sequence[str] = ()
    request_template: Mapping[str, Any] | None = None
    needs: Mapping[str, Any] | None = None
    uses_converse: bool = False
    records_interaction_context: bool = False
    records_prompt_content: bool = False

    def record(self) -> dict[str, Any]:
        """Gives the record of the contract, without the skills."""
        record = to_record(self)
        record.pop("skills", None)
        names = ("usesConverse", "recordsInteractionContext", "recordsPromptContent")
        flags = {name: True for name in names if record.pop(name, False)}
        return {**record, **_wire.compact({"flags": flags})}


@dataclass(frozen=True)
class SharedSecret:
    """Lets in who knows a secret; never shown.

    >>> hubless.SharedSecret("open-sesame")
    SharedSecret()
    """

    secret: str = field(repr=False)


Fact = str | int | bool


@dataclass(frozen=True)
class TokenRule:
    """Lets in who shows a Biscuit token that one root signed and that states certain facts.

    ``root`` is the public key of the root as 64 hex digits; that of a mesh is the mesh id. Each of
    ``facts`` must be stated, of a list each value. ``hubless id token`` signs such tokens, as does
    any library for Biscuit tokens. Callers show them as ``Credential(token, "token")``.

    Source: Biscuit 3 (https://www.biscuitsec.org).

    >>> rule = hubless.TokenRule(node.mesh_id, {"team": "finance", "level": 3})
    >>> rules = hubless.Requirements(auth=rule)
    >>> async def ledger() -> str:
    ...     return "open"
    >>> agent = await node.register(ledger, requirements=rules)
    >>> options = hubless.Options(auth=hubless.Credential("forged", "token"))
    >>> try:
    ...     await node.request("ledger", options=options)
    ... except hubless.Rejected as refused:
    ...     print(refused.kind, refused.code)
    auth bad_credential
    """

    root: str
    facts: Mapping[str, Fact | Sequence[Fact]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class AuthRequest:
    """Is what an auth function decides on.

    >>> def check(request: hubless.AuthRequest) -> bool:
    ...     return request.scheme == "custom" and request.credential == "letmein"
    >>> async def vault() -> str:
    ...     return "in"
    >>> agent = await node.register(vault, requirements=hubless.Requirements(auth=check))
    >>> options = hubless.Options(auth=hubless.Credential("letmein", "custom"))
    >>> (await node.request("vault", options=options)).value
    'in'
    """

    agent: str
    scheme: str
    credential: str = field(repr=False)
    caller: Caller


@dataclass(frozen=True)
class Verdict:
    """Is the answer of an auth function that may be remembered, at most 60 s.

    >>> async def check(request: hubless.AuthRequest) -> hubless.Verdict:
    ...     return hubless.Verdict(request.credential == "letmein", cache_seconds=30)
    >>> hubless.Requirements(auth=check).record()
    {'auth': {'host': True}}
    """

    allow: bool
    cache_seconds: float = 0.0


AuthFunction = Callable[[AuthRequest], bool | Verdict | Awaitable[bool | Verdict]]
TokenCounter = Callable[[Sequence[str]], int | Awaitable[int]]


@dataclass(frozen=True)
class Requirements:
    """Is what an agent enforces before its handler runs; never published.

    ``max_tokens`` unset means no limit, 0 refuses everything. ``auth`` is a ``SharedSecret``, a
    ``TokenRule`` or a function, plain or ``async``, of an ``AuthRequest``; ``token_counter`` a
    function of the texts. A function that raises refuses.

    >>> async def vault() -> str:
    ...     return "in"
    >>> rules = hubless.Requirements(max_tokens=8_000, auth=hubless.SharedSecret("letmein"))
    >>> agent = await node.register(vault, requirements=rules)
    >>> await node.request("vault")
    Traceback (most recent call last):
    ...
    hubless.errors.RejectedAuthError: ...
    """

    require_converse: bool | None = None
    allow_agent_duplication: bool | None = None
    allow_custom_context: bool | None = None
    allow_custom_json: bool | None = None
    allow_external_connections: bool | None = None
    accepted_content: Sequence[str] | None = None
    max_tokens: int | None = None
    token_counter: Literal["builtin"] | TokenCounter | None = None
    max_request_bytes: int | None = None
    max_binary_bytes: int | None = None
    allow_multi_page_context: bool | None = None
    auth: SharedSecret | TokenRule | AuthFunction | None = None
    max_concurrency: int | None = None
    queue: int | None = None
    rate_per_s: float | None = None
    rate_burst: int | None = None
    allowed_callers: Mapping[str, Sequence[str]] | None = None
    reentrant: bool | None = None
    accept_returns_from: Sequence[str] | None = None

    def record(self) -> dict[str, Any]:
        """Gives the record of the contract; functions stay here."""
        record = {
            _wire.camel(name): value
            for name, value in vars(self).items()
            if value is not None and name not in ("auth", "token_counter")
        }
        if self.auth is not None:
            record["auth"] = auth_rule(self.auth)
        if self.token_counter is not None:
            record["tokenCounter"] = "host" if callable(self.token_counter) else "builtin"
        return record


def auth_rule(auth: SharedSecret | TokenRule | AuthFunction | None) -> dict[str, Any]:
    """Gives the contract's form of an auth mechanism."""
    if auth is None:
        return {"none": True}
    if isinstance(auth, TokenRule):
        return {"token": {"root": auth.root, "facts": dict(auth.facts)}}
    return {"sharedSecret": auth.secret} if isinstance(auth, SharedSecret) else {"host": True}


@dataclass(frozen=True)
class Credential:
    """Is a scheme and a secret; never shown.

    >>> hubless.Credential("letmein")
    Credential(scheme='shared_secret')
    """

    secret: str = field(repr=False)
    scheme: str = "shared_secret"


@dataclass(frozen=True)
class Accept:
    """Is what the caller can take; an agent that cannot meet it answers ``unsupported``.

    >>> hubless.Options(accept=hubless.Accept(media_types=["text/plain"])).accept.streaming is None
    True
    """

    media_types: Sequence[str] = ()
    streaming: bool | None = None
    context_protocols: Sequence[str] = ()
    models: Sequence[str] = ()


@dataclass(frozen=True)
class Retry:
    """Is how often a call is tried in all, and on which kinds, where its effect allows it.

    >>> options = hubless.Options(retry=hubless.Retry(3, on=["busy"]), effect="PURE")
    >>> options.retry.attempts
    3
    """

    attempts: int
    on: Sequence[str] = ("transport", "busy")


InputFunction = Callable[[Content], Any]


@dataclass(frozen=True)
class Options:
    """Is everything else a request may say. Times are seconds.

    ``total_timeout`` bounds the whole call (unset: no bound besides the time to the first event
    and between events). ``wait`` is how long a name may take to appear (1 s). ``on_input``
    answers a question of the callee; without it the callee cannot ask. ``sender`` is one of
    this node's agents, in whose name the call is made. ``idempotency_key`` gets repeats of the
    same request the first outcome for 10 minutes; streamed parts are compared by their
    ``sha256``, and a repeat with one that names none is refused with ``conflict``. ``return_to``
    (id, address or name) is the agent that gets the answer instead of the caller: one of this
    node, or one whose ``accept_returns_from`` holds the callee's id; the reply is then empty and
    says in its ``metadata["hubless.returnedTo"]`` where the answer went. ``kill_switch`` pays for
    the call and stops it, what ``return_to`` costs included; ``max`` is the most that it may be
    given (unset: a quarter of what is free).

    >>> @node.agent
    ... async def slow() -> None:
    ...     await asyncio.sleep(60)
    >>> try:
    ...     await node.request("slow", options=hubless.Options(total_timeout=0.05))
    ... except TimeoutError as error:
    ...     print(error.kind)
    deadline
    """

    total_timeout: float | None = None
    accept: Accept | None = None
    auth: Credential | None = None
    transport_auth: Credential | None = None
    conversation_id: str | None = None
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None
    effect: Effect | str | None = None
    idempotency_key: str | None = None
    return_to: str | None = None
    retry: Retry | None = None
    data_policy: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    extensions: Mapping[str, Any] | None = None
    trace: Mapping[str, str] | None = None
    sender: Agent | None = None
    template: str | None = None
    on_input: InputFunction | None = None
    wait: float | None = None
    kill_switch: KillSwitch | None = None
    max: Amounts | None = None

    def record(self) -> dict[str, Any]:
        """Gives the record of the contract."""
        nested = {"accept": self.accept, "auth": self.auth, "retry": self.retry}
        record = {
            "totalMs": _wire.milliseconds(self.total_timeout),
            "conversationId": self.conversation_id,
            "inputSchema": self.input_schema,
            "outputSchema": self.output_schema,
            "effect": self.effect,
            "idempotencyKey": self.idempotency_key,
            "returnTo": self.return_to,
            "dataPolicy": self.data_policy,
            "metadata": self.metadata,
            "extensions": self.extensions,
            "trace": self.trace,
            "template": self.template,
            "wait": _wire.milliseconds(self.wait),
            "onInput": True if self.on_input is not None else None,
            **{name: to_record(value) for name, value in nested.items() if value is not None},
        }
        if self.transport_auth is not None:
            record["transportAuth"] = to_record(self.transport_auth)
        record = _wire.compact(record)
        # Also one that says nothing: whether it may stand there is for the core to say.
        return record if self.max is None else {**record, "max": amounts_record(self.max)}
