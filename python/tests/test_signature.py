"""What a signature says, and how input is bound."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from typing import Any

import pytest

import hubless
from hubless import Content, Data, Text, _signature


def content(value: Any) -> Content:
    if isinstance(value, str):
        return Content([Text(value)], value=value, text=value)
    return Content([Data(value)], value=value)


def rate(pair: str, day: datetime.date, limit: int = 3, *, ctx: hubless.Call) -> float:
    """Historic rate."""
    return 0.0


def whole(query: dict[str, int], /) -> str:
    return ""


def text(prompt: str, /) -> str:
    return ""


async def parts(content: Content) -> None:
    return None


async def stream(n: int) -> AsyncIterator[int]:
    yield n


def test_reads_names_types_and_docs() -> None:
    signature = _signature.read(rate)
    assert signature.description == "Historic rate."
    assert signature.form == "thread"
    assert signature.wants_call
    assert signature.input_schema == {
        "type": "object",
        "properties": {
            "pair": {"type": "string"},
            "day": {"type": "string", "format": "date"},
            "limit": {"type": "integer"},
        },
        "required": ["pair", "day"],
        "additionalProperties": False,
    }
    assert signature.output_schema == {"type": "number"}


def test_binds_members() -> None:
    given = content({"pair": "EURUSD", "day": "2024-01-01"})
    arguments = _signature.read(rate).bind(given)
    assert arguments == ((), {"pair": "EURUSD", "day": datetime.date(2024, 1, 1)})


@pytest.mark.parametrize(
    ("value", "pointer"), [({"pair": 1, "day": "2024-01-01"}, "/pair"), ({"pair": "a"}, None)]
)
def test_refuses_what_does_not_fit(value: Any, pointer: str | None) -> None:
    with pytest.raises(hubless.errors.JsonError) as raised:
        _signature.read(rate).bind(content(value))
    assert raised.value.pointer == pointer


def test_one_positional_parameter_takes_the_whole_input() -> None:
    signature = _signature.read(whole)
    assert signature.input_schema == hubless.schema_of(dict[str, int])
    assert signature.bind(content({"a": 1})) == (({"a": 1},), {})
    assert _signature.read(text).input_schema is None
    assert _signature.read(text).bind(content("hi")) == (("hi",), {})


def test_content_and_streams_have_no_schema() -> None:
    given = content("x")
    assert _signature.read(parts).bind(given) == ((), {"content": given})
    assert _signature.read(parts).input_schema is None
    assert _signature.read(stream).streams
    assert _signature.read(stream).output_schema is None


def test_refuses_parameters_without_names() -> None:
    def variadic(*args: int) -> None: ...
    def named(**kwargs: int) -> None: ...

    for function in (variadic, named):
        with pytest.raises(hubless.errors.InvalidArgumentError):
            _signature.read(function)


def test_says_which_annotation_is_unknown() -> None:
    def broken(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(hubless.errors.InvalidArgumentError, match="Nowhere"):
        _signature.read(broken)
