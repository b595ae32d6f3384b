"""JSON as the contract wants it: camelCase records, no absent fields, typed refusals.

Owns the encoding of the host's own values. Must not know operations.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from . import errors


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
    """Encodes a body; what JSON cannot say is ``invalid_argument``."""
    try:
        return _encoder.encode(body).encode("utf-8")
    except UnicodeEncodeError:
        where = next((str(name) for name, value in _fields(body) if _has_half(value)), None)
        message = "expected text of whole characters, got half of a surrogate pair"
        raise errors.InvalidArgumentError(message, field=where) from None
    except (TypeError, ValueError, OverflowError) as error:
        raise errors.InvalidArgumentError(f"not expressible as JSON: {error}") from error
    except RecursionError as error:
        raise errors.JsonError("nested too deep", code="too_deep") from error


def _fields(body: Any) -> Iterable[tuple[Any, Any]]:
    return body.items() if isinstance(body, Mapping) else ()


def _has_half(value: Any) -> bool:
    """Says whether what is encoded already would not be text in UTF-8."""
    try:
        _encoder.encode(value).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


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
    """Turns seconds into whole milliseconds; a positive time is never 0."""
    if seconds is None:
        return None
    return max(1, round(seconds * 1000)) if seconds > 0 else 0
