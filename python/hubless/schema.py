"""JSON Schema from the language's own types, and values back into them.

Owns the mapping of annotations: dataclasses, ``TypedDict``, enums, ``Literal``, unions, dates,
UUID, ``Decimal``, collections, ``Annotated[T, "description"]`` and anything that has pydantic's
``model_json_schema`` and ``model_validate``. Must not know agents. Tested by
``tests/test_schema.py``.
"""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import inspect
import json
import types
import typing
import uuid
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from . import _wire
from .errors import InvalidArgumentError, JsonError

__all__ = ["decode", "schema_of"]

T = TypeVar("T")
Schema = dict[str, Any]

_PLAIN: Mapping[Any, Schema] = {
    None: {"type": "null"},
    type(None): {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.time: {"type": "string", "format": "time"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    decimal.Decimal: {"type": "string", "pattern": r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"},
    dict: {"type": "object"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    frozenset: {"type": "array", "uniqueItems": True},
}
_SEQUENCES = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_SETS = (set, frozenset, collections.abc.Set)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_PARSERS: Mapping[Any, Callable[[str], Any]] = {
    datetime.date: datetime.date.fromisoformat,
    datetime.datetime: lambda text: datetime.datetime.fromisoformat(_offset(text)),
    datetime.time: lambda text: datetime.time.fromisoformat(_offset(text)),
    uuid.UUID: uuid.UUID,
    decimal.Decimal: decimal.Decimal,
    bytes: lambda text: base64.b64decode(text, validate=True),
}


def _offset(text: str) -> str:
    # Python 3.10 does not read the suffix that RFC 3339 writes.
    return text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text


def schema_of(annotation: Any) -> Schema:
    """Gives the JSON Schema (2020-12) of a type.

    >>> hubless.schema_of(list[int])
    {'type': 'array', 'items': {'type': 'integer'}}
    """
    builder = _Builder()
    root = builder.of(annotation)
    return builder.finish(root)


def object_schema(fields: Mapping[str, Any], required: collections.abc.Set[str]) -> Schema:
    """Gives the schema of an object with these annotated fields."""
    builder = _Builder()
    root = builder.fields(fields, required)
    root["additionalProperties"] = False
    return builder.finish(root)


def hints_of(target: Any) -> dict[str, Any]:
    """Reads annotations with ``Annotated`` kept; a name that cannot be found is an error."""
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        raise InvalidArgumentError(
            f"an annotation of {getattr(target, '__qualname__', target)} is not defined at "
            f"module level: {error}",
            field="annotations",
        ) from error


class _Builder:
    """Collects named definitions while a schema is built, so that types may be recursive."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self.names: dict[Any, str] = {}

    def finish(self, root: Schema) -> Schema:
        name = root.get("$ref", "").rpartition("/")[2]
        text = json.dumps(self.definitions)
        if name and f'"#/$defs/{name}"' not in text:
            extra = {key: value for key, value in root.items() if key != "$ref"}
            root = {**self.definitions.pop(name), **extra}
        return {**root, "$defs": self.definitions} if self.definitions else root

    def of(self, annotation: Any) -> Schema:
        """Dispatches on the annotation."""
        if annotation in (Any, object, inspect.Parameter.empty):
            return {}
        if isinstance(annotation, (str, typing.ForwardRef)):
            raise InvalidArgumentError(f"cannot resolve the annotation {annotation!r}")
        if isinstance(annotation, collections.abc.Hashable) and annotation in _PLAIN:
            return dict(_PLAIN[annotation])
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is not None:
            return self.generic(annotation, origin, arguments)
        if isinstance(annotation, typing.NewType):
            return self.of(annotation.__supertype__)
        if isinstance(annotation, type):
            return self.named(annotation)
        raise InvalidArgumentError(f"{annotation!r} has no JSON schema")

    def generic(self, annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Schema:
        if origin is Annotated:
            described = [note for note in arguments[1:] if isinstance(note, str)]
            inner = self.of(arguments[0])
            return {**inner, "description": described[0]} if described else inner
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.of(one) for one in arguments]}
        if _is_marker(origin):
            return self.of(arguments[0])
        if origin is tuple:
            return self.tuple(arguments)
        if origin in _SEQUENCES:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin in _SETS:
            return {"type": "array", "items": self.of(arguments[0]), "uniqueItems": True}
        if origin in _MAPPINGS:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        raise InvalidArgumentError(f"{annotation!r} has no JSON schema")

    def tuple(self, arguments: tuple[Any, ...]) -> Schema:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"type": "array", "items": self.of(arguments[0])}
        items = [self.of(one) for one in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "items": False}

    def named(self, kind: type) -> Schema:
        """Builds a class once, under ``$defs``."""
        if kind not in self.names:
            name, number = kind.__name__, 2
            while name in self.names.values():
                name, number = f"{kind.__name__}{number}", number + 1
            self.names[kind] = name
            self.definitions[name] = self.define(kind)
        return {"$ref": f"#/$defs/{self.names[kind]}"}

    def define(self, kind: type) -> Schema:
        own = getattr(kind, "model_json_schema", None)
        if own is not None:
            schema: Schema = own(ref_template="#/$defs/{model}")
            self.definitions.update(schema.pop("$defs", {}))
            return schema
        if issubclass(kind, enum.Enum):
            return {"enum": [member.value for member in kind]}
        if typing.is_typeddict(kind):
            required = frozenset(getattr(kind, "__required_keys__", ()))
            return self.fields(hints_of(kind), required)
        if dataclasses.is_dataclass(kind):
            hints = hints_of(kind)
            fields = [field for field in dataclasses.fields(kind) if field.init]
            needed = {field.name for field in fields if not has_default(field)}
            return self.fields({field.name: hints[field.name] for field in fields}, needed)
        raise InvalidArgumentError(f"{kind.__qualname__} has no JSON schema")

    def fields(self, hints: Mapping[str, Any], required: collections.abc.Set[str]) -> Schema:
        properties = {name: self.of(hint) for name, hint in hints.items()}
        schema: Schema = {"type": "object", "properties": properties}
        needed = [name for name in hints if name in required]
        return {**schema, "required": needed} if needed else schema


def has_default(field: dataclasses.Field[Any]) -> bool:
    """Says whether a dataclass field may be left out."""
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _is_marker(origin: Any) -> bool:
    """Recognises Required, NotRequired and ReadOnly of typing and typing_extensions."""
    name = getattr(origin, "_name", None) or getattr(origin, "__name__", "")
    return name in ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar")


def decode(kind: type[T], value: Any, pointer: str = "") -> T:
    """Turns a JSON value into a value of a type; ``json`` with the pointer if it cannot be.

    >>> from datetime import date
    >>> hubless.decode(dict[str, date], {"day": "2024-02-29"})
    {'day': datetime.date(2024, 2, 29)}
    >>> hubless.decode(int, "7")
    Traceback (most recent call last):
    ...
    hubless.errors.JsonError: ...
    """
    return typing.cast("T", _decode(kind, value, pointer))


def _refuse(kind: Any, value: Any, pointer: str) -> JsonError:
    wanted = getattr(kind, "__name__", str(kind))
    error = JsonError(f"expected {wanted}, got {type(value).__name__}", code="type")
    error.pointer = pointer
    return error


def _decode(kind: Any, value: Any, at: str) -> Any:
    if kind in (Any, object, inspect.Parameter.empty):
        return value
    if kind in (None, type(None)):
        if value is not None:
            raise _refuse(kind, value, at)
        return None
    if kind in _PARSERS:
        return _parse(kind, value, at)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is not None:
        return _decode_generic(kind, origin, arguments, value, at)
    if isinstance(kind, typing.NewType):
        return _decode(kind.__supertype__, value, at)
    return _decode_class(kind, value, at)


def _parse(kind: Any, value: Any, at: str) -> Any:
    if not isinstance(value, str):
        raise _refuse(kind, value, at)
    try:
        return _PARSERS[kind](value)
    except (ValueError, ArithmeticError) as error:
        raise _refuse(kind, value, at) from error


def _decode_generic(kind: Any, origin: Any, arguments: Any, value: Any, at: str) -> Any:
    if origin is Annotated or _is_marker(origin):
        return _decode(arguments[0], value, at)
    if origin is Literal:
        if value in arguments:
            return value
        raise _refuse(kind, value, at)
    if origin in (Union, types.UnionType):
        return _decode_union(kind, arguments, value, at)
    if origin in _MAPPINGS and isinstance(value, dict):
        return {key: _decode(arguments[1], item, f"{at}/{key}") for key, item in value.items()}
    if not isinstance(value, list):
        raise _refuse(kind, value, at)
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        if len(arguments) != len(value):
            raise _refuse(kind, value, at)
        pairs = enumerate(zip(arguments, value, strict=True))
        return tuple(_decode(one, item, f"{at}/{i}") for i, (one, item) in pairs)
    items = [_decode(arguments[0], item, f"{at}/{index}") for index, item in enumerate(value)]
    if origin is tuple:
        return tuple(items)
    if origin in _SETS:
        return frozenset(items) if origin is frozenset else set(items)
    return items


def _decode_union(kind: Any, arguments: tuple[Any, ...], value: Any, at: str) -> Any:
    exact = [one for one in arguments if isinstance(one, type) and type(value) is one]
    for one in (*exact, *arguments):
        try:
            return _decode(one, value, at)
        except JsonError:
            continue
    raise _refuse(kind, value, at)


def _decode_class(kind: Any, value: Any, at: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind in (tuple, set, frozenset) and isinstance(value, list):
        return kind(value)
    if kind in (bool, int, float, str, dict, list):
        if type(value) is not kind:
            raise _refuse(kind, value, at)
        return value
    validate = getattr(kind, "model_validate", None)
    if validate is not None:
        return _validated(kind, validate, value, at)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(value)
        except ValueError as error:
            raise _refuse(kind, value, at) from error
    if not isinstance(value, dict):
        raise _refuse(kind, value, at)
    hints = hints_of(kind)
    if typing.is_typeddict(kind):
        return {
            key: _decode(hints.get(key, Any), item, f"{at}/{key}") for key, item in value.items()
        }
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, hints, value, at)
    raise _refuse(kind, value, at)


def _validated(kind: Any, validate: Callable[..., Any], value: Any, at: str) -> Any:
    try:
        return validate(_wire.plain(value) if not isinstance(value, (dict, list)) else value)
    except ValueError as error:
        raise _refuse(kind, value, at) from error


def _decode_dataclass(kind: Any, hints: dict[str, Any], value: dict[str, Any], at: str) -> Any:
    known = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for name, field in known.items():
        if name not in value and not has_default(field):
            error = JsonError(f"the field {name} is missing", code="required", field=name)
            error.pointer = at
            raise error
    given = {
        name: _decode(hints[name], value[name], f"{at}/{name}") for name in known if name in value
    }
    return kind(**given)
