"""Schemas from types, and values back into them."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import uuid
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict

import pytest

import hubless
from hubless import _wire


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Tree:
    name: str
    day: datetime.date
    kids: list[Tree] = dataclasses.field(default_factory=list)
    color: Color | None = None


class Query(TypedDict, total=False):
    pair: Annotated[str, "a currency pair"]
    limit: int


Key = NewType("Key", str)

DATE = {"type": "string", "format": "date"}


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (datetime.date, DATE),
        (datetime.datetime, {"type": "string", "format": "date-time"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (Optional[str], {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Color, {"enum": ["red", "blue"]}),
        (Key, {"type": "string"}),
        (Any, {}),
        (
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "items": False,
            },
        ),
        (
            Query,
            {
                "type": "object",
                "properties": {
                    "pair": {"type": "string", "description": "a currency pair"},
                    "limit": {"type": "integer"},
                },
            },
        ),
    ],
)
def test_schema_of_type(kind: Any, schema: dict[str, Any]) -> None:
    assert hubless.schema_of(kind) == schema


def test_recursive_dataclass_has_definitions() -> None:
    schema = hubless.schema_of(Tree)
    assert schema["$ref"] == "#/$defs/Tree"
    tree = schema["$defs"]["Tree"]
    assert tree["required"] == ["name", "day"]
    assert tree["properties"]["day"] == DATE
    assert tree["properties"]["kids"] == {"type": "array", "items": {"$ref": "#/$defs/Tree"}}


def test_two_classes_of_one_name_stay_apart() -> None:
    def made(kind: type) -> type:
        return dataclasses.make_dataclass("Same", [("x", kind)])

    schema = hubless.schema_of(tuple[made(int), made(str)])  # type: ignore[misc]
    assert set(schema["$defs"]) == {"Same", "Same2"}


@pytest.mark.parametrize(
    ("kind", "value", "decoded"),
    [
        (datetime.date, "2024-02-29", datetime.date(2024, 2, 29)),
        (
            datetime.datetime,
            "2024-02-29T12:00:00Z",
            datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc),
        ),
        (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
        (float, 3, 3.0),
        (int, 3.0, 3),
        (bytes, "AAE=", b"\x00\x01"),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[int], [1, 2], {1, 2}),
        (int | str, "1", "1"),
        (Optional[Color], "red", Color.RED),
        (Query, {"pair": "EURUSD"}, {"pair": "EURUSD"}),
    ],
)
def test_decodes(kind: Any, value: Any, decoded: Any) -> None:
    assert hubless.decode(kind, value) == decoded


def test_round_trip_of_nested_dataclass() -> None:
    day = datetime.date(2024, 1, 1)
    tree = Tree("a", day, [Tree("b", day, color=Color.BLUE)])
    record = _wire.loads(_wire.dumps(tree))
    assert record["kids"][0]["color"] == "blue"
    assert hubless.decode(Tree, record) == tree


@pytest.mark.parametrize(
    ("kind", "value", "pointer"),
    [
        (int, "1", ""),
        (int, True, ""),
        (datetime.date, "2024-02-30", ""),
        (
            Tree,
            {"name": "a", "day": "2024-01-01", "kids": [{"name": 1, "day": ""}]},
            "/kids/0/name",
        ),
        (Tree, {"name": "a"}, ""),
        (list[int], [1, "x"], "/1"),
        (dict[str, int], {"a": None}, "/a"),
    ],
)
def test_refuses_with_the_pointer(kind: Any, value: Any, pointer: str) -> None:
    with pytest.raises(hubless.errors.JsonError) as raised:
        hubless.decode(kind, value)
    assert raised.value.kind == "json"
    assert raised.value.pointer == pointer


def test_pydantic_models() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Inner(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        day: datetime.date

    class Outer(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        inner: Inner

    schema = hubless.schema_of(Outer)
    assert schema["properties"]["inner"] == {"$ref": "#/$defs/Inner"}
    assert schema["$defs"]["Inner"]["properties"]["day"]["format"] == "date"
    made = hubless.decode(Outer, {"inner": {"day": "2024-01-01"}})
    assert made == Outer(inner=Inner(day=datetime.date(2024, 1, 1)))
    assert _wire.loads(_wire.dumps(made)) == {"inner": {"day": "2024-01-01"}}
    with pytest.raises(hubless.errors.JsonError):
        hubless.decode(Outer, {"inner": {"day": "never"}})


@pytest.mark.parametrize("value", [float("nan"), {1, object()}, "\ud800", {"a": b"x", 2: print}])
def test_refuses_what_json_cannot_say(value: Any) -> None:
    with pytest.raises(hubless.errors.InvalidArgumentError) as raised:
        _wire.dumps({"to": "x", "value": value})
    assert raised.value.field == "value"


def test_refuses_unending_nesting() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(hubless.errors.JsonError) as raised:
        _wire.dumps({"to": "x", "content": {"value": deep}})
    bound = hubless.limits()["JSON_DEPTH"]
    assert (raised.value.code, raised.value.field) == ("too_deep", "content")
    assert raised.value.limit == hubless.errors.Limit("JSON_DEPTH", bound)
