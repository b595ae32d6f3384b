"""The vectors that every language runs, through what users see."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

import hubless
from hubless import errors

FOLDER = Path(__file__).parents[2] / "tests" / "conformance" / "vectors"
LISTS = {
    "agentIds": "agentId",
    "nodeKeys": "nodeKey",
    "meshIds": "meshId",
    "addresses": "address",
    "names": "name",
    "targets": "target",
}


def vectors(name: str) -> dict[str, list[dict[str, Any]]]:
    text = (FOLDER / f"{name}.json").read_text("utf-8")
    return cast("dict[str, list[dict[str, Any]]]", json.loads(text))


IDENTITY = vectors("identity")
ERRORS = vectors("errors")
TEXTS = [(kind, row) for name, kind in LISTS.items() for row in IDENTITY[name]]


def test_no_list_of_the_vectors_is_left_out() -> None:
    # Keys and signatures are read in `test_readings.py` as well.
    assert set(IDENTITY) == {*LISTS, "keys", "signatures"}
    assert all(IDENTITY.values())
    assert set(ERRORS) == {"kinds"}


@pytest.mark.parametrize(("kind", "row"), TEXTS, ids=lambda value: repr(value)[:60])
def test_text_reads_as_the_vectors_say(kind: Any, row: dict[str, Any]) -> None:
    if row.get("code") is None:
        assert hubless.inspect_id(row["input"], kind).text == row["text"]
        return
    with pytest.raises(errors.InvalidArgumentError) as raised:
        hubless.inspect_id(row["input"], kind)
    assert raised.value.code == row["code"]


def test_every_bound_is_told() -> None:
    table = (FOLDER / "../../../core/proto/src/limits.rs").read_text("utf-8")
    names = re.findall(r"^    ([A-Z][A-Z0-9_]*): .+ = .+;$", table, re.MULTILINE)
    told = hubless.limits()
    assert len(names) >= 100
    assert list(told) == names
    assert (told["DEADLINE"], told["CALL_DEPTH"]) == (60_000, 16)


@pytest.mark.parametrize("row", IDENTITY["keys"], ids=lambda row: row["publicKey"][:8])
def test_key_has_its_id_and_address(row: dict[str, Any]) -> None:
    read = hubless.inspect_id(row["agentId"], mesh=row["mesh"])
    assert read == hubless.Identity(row["agentId"], row["publicKey"], row["address"])
    assert hubless.inspect_id(row["agentId"]).address is None
    assert hubless.inspect_id(row["nodeKey"], "nodeKey").key is None


@pytest.mark.parametrize(
    ("text", "how", "field"),
    [
        ("sum", {"kind": "colour"}, "kind"),
        (IDENTITY["keys"][0]["agentId"], {"mesh": "none"}, "mesh"),
        (None, {}, "text"),
    ],
)
def test_what_is_no_kind_mesh_or_text_is_named(text: Any, how: Any, field: str) -> None:
    with pytest.raises(errors.InvalidArgumentError) as raised:
        hubless.inspect_id(text, **how)
    assert raised.value.field == field


def test_half_a_character_is_refused() -> None:
    with pytest.raises(errors.InvalidArgumentError):
        hubless.inspect_id("half \ud83d")


def test_kinds_are_those_of_the_table_in_its_order() -> None:
    assert list(errors.KINDS) == [row["kind"] for row in ERRORS["kinds"]]


async def test_a_handler_can_end_a_call_with_every_kind(node: hubless.Node) -> None:
    @node.agent
    async def fails(kind: str) -> None:
        raise hubless.Error(f"this is {kind}", kind=kind, code="on_purpose")

    @node.agent
    async def hopeless(kind: str) -> None:
        raise hubless.Error("do not come back", kind=kind, retry="never")

    for row in ERRORS["kinds"]:
        kind = row["kind"]
        with pytest.raises(hubless.Rejected) as raised:
            await node.request("fails", kind=kind)
        error = raised.value
        assert isinstance(error, errors.KINDS[kind])
        assert (error.kind, error.code, error.message) == (kind, "on_purpose", f"this is {kind}")
        assert error.retry == row["retry"], kind
        with pytest.raises(errors.KINDS[kind]) as raised_hopeless:
            await node.request("hopeless", kind=kind)
        assert raised_hopeless.value.retry == "never"
