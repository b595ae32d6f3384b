"""The one tree of errors: kind, code, what to do about it.

Owns the classes and how the core's error record becomes one of them. Must not know sessions or
loops. Every kind has a class; where a built-in exception says the same thing the class is a
subclass of it as well, so ``except TimeoutError`` works without knowing this package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AmbiguousError",
    "AuthError",
    "BudgetExhaustedError",
    "BusyError",
    "CallCancelledError",
    "CallDeniedError",
    "ClosedError",
    "ConfigurationError",
    "ConflictError",
    "ContentError",
    "ContextError",
    "CycleError",
    "DeadlineError",
    "Error",
    "ExpiredError",
    "HandlerFailedError",
    "HopLimitError",
    "InternalError",
    "InvalidArgumentError",
    "JsonError",
    "KINDS",
    "KilledError",
    "Limit",
    "NotFoundError",
    "PromptError",
    "Rejected",
    "RevokedError",
    "StaleAttemptError",
    "TooLargeError",
    "TransportError",
    "UnknownOutcomeError",
    "UnsupportedError",
]


@dataclass(frozen=True)
class Limit:
    """Names the bound that was passed and its value.

    >>> hubless.errors.Limit("REQUEST_BYTES", 67_108_864).name
    'REQUEST_BYTES'
    """

    name: str
    value: int | float | str | None


class Error(Exception):
    """Says what went wrong: a kind out of a closed set, a code, and whether to try again.

    ``retry`` is ``"never"``, ``"later"`` or the number of seconds to wait. A handler may raise
    one on purpose: ``raise hubless.Error("not in the table", kind="not_found")`` reaches the
    caller with that kind, and where it says nothing about ``retry`` with what the kind says.

    >>> @node.agent
    ... async def rate(pair: str) -> float:
    ...     raise hubless.errors.NotFoundError(f"no rate of {pair}", code="pair")
    >>> try:
    ...     await node.request("rate", pair="XXXYYY")
    ... except hubless.errors.NotFoundError as error:
    ...     print(error.kind, error.code, error.message)
    not_found pair no rate of XXXYYY
    """

    default_kind = "handler_failed"

    def __init__(
        self,
        message: str,
        *,
        kind: str | None = None,
        code: str | None = None,
        retry: str | float | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind or self.default_kind
        self.code = code
        self.said_retry = retry
        self.retry: str | float = "never" if retry is None else retry
        self.field = field
        self.operation: str | None = None
        self.limit: Limit | None = None
        self.agent: str | None = None
        self.origin: str | None = None
        self.trace_id: str | None = None
        self.pointer: str | None = None
        self.candidates: Sequence[str] = ()

    def __str__(self) -> str:
        where = "".join(
            f", {name} {value}"
            for name, value in (("field", self.field), ("at", self.pointer), ("agent", self.agent))
            if value
        )
        name = f"{self.kind}/{self.code}" if self.code else self.kind
        return f"{self.message} ({name}{where})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, kind={self.kind!r}, code={self.code!r})"


class Rejected(Error):
    """Is raised when the other side refused the request before or instead of answering it.

    >>> @node.agent
    ... async def rate(pair: str) -> float:
    ...     return 1.0862
    >>> try:
    ...     await node.request("rate", pair=7)
    ... except hubless.Rejected as refusal:
    ...     print(refusal.kind, refusal.pointer)
    json /pair
    """


class AuthError(Error, PermissionError):
    """Kind ``auth``: a credential is missing, wrong or not accepted."""


class PromptError(Error):
    """Kind ``prompt``: the prompt has the wrong form or too many tokens."""


class JsonError(Error, ValueError):
    """Kind ``json``: a value does not hold the schema; ``pointer`` says where ("": all of it)."""


class ContentError(Error):
    """Kind ``content``: a content type or a digest is not accepted."""


class TransportError(Error, ConnectionError):
    """Kind ``transport``: the connection failed."""


class ContextError(Error):
    """Kind ``context``: the context is not accepted."""


class ConfigurationError(Error):
    """Kind ``configuration``: an agent or a node is set up in a way that cannot work."""


class NotFoundError(Error, LookupError):
    """Kind ``not_found``: nobody has this name, id or skill."""


class AmbiguousError(Error, LookupError):
    """Kind ``ambiguous``: several agents have this name; ``candidates`` holds their ids."""


class BusyError(Error):
    """Kind ``busy``: no room; ``retry`` says when."""


class DeadlineError(Error, TimeoutError):
    """Kind ``deadline``: the time was over."""


class CallCancelledError(Error):
    """Kind ``cancelled``: the call was given up."""


class HopLimitError(Error):
    """Kind ``hop_limit``: calls are nested too deep."""


class CycleError(Error):
    """Kind ``cycle``: the call came back to where it had been."""


class ConflictError(Error):
    """Kind ``conflict``: a name, key or version is taken."""


class StaleAttemptError(Error):
    """Kind ``stale_attempt``: a newer attempt of the request exists."""


class UnknownOutcomeError(Error, ConnectionError):
    """Kind ``unknown_outcome``: the connection ended and the handler may have run."""


class BudgetExhaustedError(Error):
    """Kind ``budget_exhausted``: the budget does not allow it."""


class KilledError(Error):
    """Kind ``killed``: the call tree was stopped."""


class HandlerFailedError(Error):
    """Kind ``handler_failed``: the handler raised."""


class TooLargeError(Error):
    """Kind ``too_large``: a bound on size was passed; ``limit`` names it."""


class UnsupportedError(Error, NotImplementedError):
    """Kind ``unsupported``: the other side, or this version, cannot do it."""


class ExpiredError(Error):
    """Kind ``expired``: a record, token or lease is over."""


class RevokedError(Error):
    """Kind ``revoked``: a key or token was taken back."""


class CallDeniedError(Error, PermissionError):
    """Kind ``denied``: the caller may not do this."""


class InvalidArgumentError(Error, ValueError):
    """Kind ``invalid_argument``: ``field`` names the argument."""


class ClosedError(Error):
    """Kind ``closed``: the node is closed."""


class InternalError(Error):
    """Kind ``internal``: a bug of this library."""


KINDS: Mapping[str, type[Error]] = {
    "auth": AuthError,
    "prompt": PromptError,
    "json": JsonError,
    "content": ContentError,
    "transport": TransportError,
    "context": ContextError,
    "configuration": ConfigurationError,
    "not_found": NotFoundError,
    "ambiguous": AmbiguousError,
    "busy": BusyError,
    "deadline": DeadlineError,
    "cancelled": CallCancelledError,
    "hop_limit": HopLimitError,
    "cycle": CycleError,
    "conflict": ConflictError,
    "stale_attempt": StaleAttemptError,
    "unknown_outcome": UnknownOutcomeError,
    "budget_exhausted": BudgetExhaustedError,
    "killed": KilledError,
    "handler_failed": HandlerFailedError,
    "too_large": TooLargeError,
    "unsupported": UnsupportedError,
    "expired": ExpiredError,
    "revoked": RevokedError,
    "denied": CallDeniedError,
    "invalid_argument": InvalidArgumentError,
    "closed": ClosedError,
    "internal": InternalError,
}

for _kind, _class in KINDS.items():
    _class.default_kind = _kind

# A refusal is both `Rejected` and its kind, so that either can be caught.
_REJECTED: Mapping[str, type[Error]] = {
    kind: type(f"Rejected{base.__name__}", (Rejected, base), {"__doc__": base.__doc__})
    for kind, base in KINDS.items()
}
# By name in the module as well, so that they can be pickled.
globals().update({_class.__name__: _class for _class in _REJECTED.values()})


def from_record(record: Mapping[str, Any]) -> Error:
    """Makes the exception for an error record of the core."""
    kind = str(record.get("kind", "internal"))
    classes = _REJECTED if record.get("rejection") else KINDS
    retry = record.get("retry", "never")
    if isinstance(retry, Mapping):
        retry = float(retry.get("afterMs", 0)) / 1000
    error = classes.get(kind, InternalError)(
        str(record.get("message", kind)),
        kind=kind,
        code=record.get("code"),
        retry=retry,
        field=record.get("field"),
    )
    limit = record.get("limit")
    if isinstance(limit, Mapping):
        error.limit = Limit(str(limit.get("name")), limit.get("value"))
    error.operation = record.get("operation")
    error.agent = record.get("agent")
    error.origin = record.get("origin")
    error.trace_id = record.get("traceId")
    error.pointer = record.get("pointer")
    error.candidates = tuple(record.get("candidates", ()))
    return error


def of_kind(kind: str, message: str, **details: Any) -> Error:
    """Makes a local error of a kind."""
    return KINDS[kind](message, **details)
