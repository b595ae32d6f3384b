"""JSON as the contract wants it: camelCase records, no absent fields, typed refusals.

Owns the encoding of the host's own values. Must not know operations but ``limits``, for the bound
that a refusal names. Tested by ``tests/test_schema.py`` and ``tests/test_odd_inputs.py``.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from . import _core, errors


def plain(value: Any) -> Any:
    """Gives the JSON form of one value of the host's own types (one level)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


_encoder = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain
)


def dumps(body: Any) -> bytes:
    """Encodes a body; what JSON cannot say is refused with the field of the body that holds it."""
    try:
        return _encoder.encode(body).encode("utf-8")
    except RecursionError as error:
        raise _too_deep(body) from error
    except UnicodeEncodeError:
        message = "expected text of whole characters, got half of a surrogate pair"
        raise errors.InvalidArgumentError(message, field=_field_at_fault(body)) from None
    except (TypeError, ValueError, OverflowError) as error:
        raise errors.InvalidArgumentError(_why(error), field=_field_at_fault(body)) from error


def _why(error: Exception) -> str:
    # The encoder has no type of its own for NaN and the infinities.
    if str(error).startswith("Out of range float"):
        return "expected finite numbers, got NaN or an infinity: send None or a text instead"
    return f"not expressible as JSON: {error}"


def _too_deep(body: Any) -> errors.JsonError:
    limits = json.loads(_core.ask("limits", b"{}")[1])["limits"]
    limit = errors.Limit("JSON_DEPTH", limits["JSON_DEPTH"])
    message = f"expected at most {limit.value} levels of JSON"
    error = errors.JsonError(message, code="too_deep", field=_field_at_fault(body))
    error.limit = limit
    return error


def _field_at_fault(body: Any) -> str | None:
    fields = body.items() if isinstance(body, Mapping) else ()
    return next((str(name) for name, value in fields if not _can_be_said(value)), None)


def _can_be_said(value: Any) -> bool:
    try:
        _encoder.encode(value).encode("utf-8")
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True


def loads(body: bytes) -> dict[str, Any]:
    """Decodes a body of the core."""
    decoded = json.loads(body)
    return decoded if isinstance(decoded, dict) else {}


def camel(name: str) -> str:
    """Turns ``snake_case`` into ``camelCase``."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def compact(record: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out what is not set: None and empty collections.

    An empty schema stays: it says that anything goes.
    """
    return {
        key: value
        for key, value in record.items()
        if value
        or not (value is None or isinstance(value, (list, tuple, set, dict)))
        or (value == {} and key.endswith("Schema"))
    }


def milliseconds(seconds: float | None) -> int | None:
    """Turns seconds into whole milliseconds, rounded up: a positive time is never 0."""
    if seconds is None:
        return None
    # By way of microseconds: what a float adds to them is no time that was asked for.
    return max(1, math.ceil(round(seconds * 1_000_000) / 1000)) if seconds > 0 else 0
