"""What a function's signature says: its input and output schema, and how input is bound.

Owns the rules: each parameter is a member of an object; one positional-only parameter takes the
whole input; ``ctx`` takes the call; a parameter annotated ``Content`` takes the content as it
came. Must not know calls or agents. Tested by ``tests/test_signature.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .content import Blob, Content, Data, Part, Text, Uri
from .errors import InvalidArgumentError, JsonError
from .schema import Schema, _decode, hints_of, object_schema, schema_of

Form = Literal["async", "thread", "async_generator", "thread_generator"]

_EMPTY = inspect.Parameter.empty
_AS_IT_CAME = (Content, Blob, bytes)
_NO_SCHEMA = (Content, Blob, Text, Data, Uri, Part, bytes, str, None, type(None), Any, object)


@dataclass(frozen=True)
class Signature:
    """Is what was read from one function."""

    name: str
    description: str
    form: Form
    wants_call: bool
    whole: tuple[str, Any] | None
    positional: bool
    fields: Mapping[str, Any]
    required: frozenset[str]
    returns: Any

    @property
    def input_schema(self) -> Schema | None:
        """Is the schema of the input; None where any content is taken."""
        if self.whole is not None:
            return None if self.whole[1] in (*_NO_SCHEMA, _EMPTY) else schema_of(self.whole[1])
        return object_schema(self.fields, self.required) if self.fields else None

    @property
    def output_schema(self) -> Schema | None:
        """Is the schema of the answer; None for text, blobs, streams and what is not annotated."""
        if self.form.endswith("generator") or self.returns in (*_NO_SCHEMA, _EMPTY):
            return None
        return schema_of(self.returns)

    @property
    def streams(self) -> bool:
        """Says whether the function yields."""
        return self.form.endswith("generator")

    def bind(self, content: Content) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Gives the arguments for content; ``json`` with the pointer where it does not fit."""
        if self.whole is not None:
            name, kind = self.whole
            value = _whole(kind, content)
            return ((value,), {}) if self.positional else ((), {name: value})
        if not self.fields:
            return (), {}
        return (), self._members(content)

    def _members(self, content: Content) -> dict[str, Any]:
        value = content.value if content.parts else {}
        if not isinstance(value, Mapping):
            raise JsonError(f"expected an object with {', '.join(self.fields)}", code="type")
        missing = [name for name in self.fields if name in self.required and name not in value]
        if missing:
            raise JsonError(f"{missing[0]} is missing", code="required", field=missing[0])
        return {
            name: _decode(kind, value[name], f"/{name}")
            for name, kind in self.fields.items()
            if name in value
        }


def _whole(kind: Any, content: Content) -> Any:
    if kind is Content:
        return content
    if kind is Blob:
        return content.blob
    if kind is bytes:
        if content.blob.data is None:
            raise JsonError("a streamed blob needs a parameter annotated Blob", code="type")
        return content.blob.data
    if kind is str and not isinstance(content.value, str):
        return content.text
    return _decode(kind, content.value, "")


def read(function: Callable[..., Any], name: str | None = None) -> Signature:
    """Reads a function or bound method; ``name`` is for one that has none of its own."""
    target = inspect.unwrap(function)
    if not inspect.isroutine(target):
        target = type(target).__call__
    hints = hints_of(target)
    parameters = dict(inspect.signature(function).parameters)
    wants_call = parameters.pop("ctx", None) is not None
    whole, positional = _whole_parameter(parameters, hints)
    fields = {} if whole else {name: hints.get(name, Any) for name in parameters}
    _refuse_variadic(function, parameters)
    own = getattr(function, "__name__", type(function).__name__)
    return Signature(
        name=own if own.isidentifier() else name or "",
        description=inspect.getdoc(function) or "",
        form=_form(target),
        wants_call=wants_call,
        whole=whole,
        positional=positional,
        fields=fields,
        required=frozenset(name for name in fields if parameters[name].default is _EMPTY),
        returns=hints.get("return", _EMPTY),
    )


def _whole_parameter(
    parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any]
) -> tuple[tuple[str, Any] | None, bool]:
    if len(parameters) != 1:
        return None, False
    ((name, parameter),) = parameters.items()
    kind = hints.get(name, Any)
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        return (name, kind), True
    return ((name, kind), False) if kind in _AS_IT_CAME else (None, False)


def _refuse_variadic(
    function: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]
) -> None:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for name, parameter in parameters.items():
        positional = parameter.kind is inspect.Parameter.POSITIONAL_ONLY and len(parameters) > 1
        if parameter.kind in kinds or positional:
            raise InvalidArgumentError(
                f"the parameter {name} of {getattr(function, '__qualname__', function)} "
                "cannot be given by name",
                field=name,
            )


def _form(target: Callable[..., Any]) -> Form:
    if inspect.isasyncgenfunction(target):
        return "async_generator"
    if inspect.iscoroutinefunction(target):
        return "async"
    if inspect.isgeneratorfunction(target):
        return "thread_generator"
    return "thread"
