"""The vectors that the core reads, through the bridge: every list of every file.

What is text in ``identity.json`` is read in ``test_vectors.py``, by what users see.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hubless import errors
from hubless._session import Session

FOLDER = Path(__file__).parents[2] / "tests" / "conformance" / "vectors"
# Lists that hold texts alone.
ELSEWHERE = {"identity": {"agentIds", "nodeKeys", "meshIds", "addresses", "names", "targets"}}

Row = dict[str, Any]
Check = Callable[[Session, Row], Awaitable[None]]


async def read(bridge: Session, what: str, *pieces: bytes, now_ms: int = 0) -> Row:
    said, attachments = await bridge.call(
        "bridge.read", {"what": what, "nowMs": now_ms}, list(pieces)
    )
    assert attachments == []
    return said


def unhex(row: Row, *names: str) -> list[bytes]:
    return [bytes.fromhex(row[name]) for name in names]


async def refused(reading: Awaitable[Row], wanted: Row) -> None:
    with pytest.raises(errors.Error) as raised:
        await reading
    error = raised.value
    assert isinstance(error, errors.KINDS[wanted["kind"]])
    assert (error.kind, error.code or "") == (wanted["kind"], wanted["code"])
    assert "field" not in wanted or error.field == wanted["field"]


async def record(bridge: Session, row: Row) -> None:
    reading = read(bridge, row["kind"], *unhex(row, "signed", "signature"), now_ms=row["nowMs"])
    if "refused" in row:
        await refused(reading, row["refused"])
    else:
        given = {"what", "kind", "nowMs", "signed", "signature", "digest"}
        assert await reading == {name: row[name] for name in row.keys() - given}
    assert await read(bridge, "digest", *unhex(row, "signed")) == {"digest": row["digest"]}


async def frame(bridge: Session, row: Row) -> None:
    said = await read(bridge, "frames", *unhex(row, "bytes"))
    assert said == {"frames": [{name: row[name] for name in ("type", "number", "message")}]}


async def data(bridge: Session, row: Row) -> None:
    (said,) = (await read(bridge, "frames", *unhex(row, "bytes")))["frames"]
    assert said["type"] == "data"
    assert (said["index"], said["chunk"]) == (row["index"], row["chunk"])


async def skipped(bridge: Session, row: Row) -> None:
    assert await read(bridge, "frames", *unhex(row, "bytes")) == {"frames": []}


async def no_frame(bridge: Session, row: Row) -> None:
    await refused(read(bridge, "frames", *unhex(row, "bytes")), row)


async def key(bridge: Session, row: Row) -> None:
    said = await read(bridge, "key", *unhex(row, "seed", "mesh"))
    assert said == {name: row[name] for name in row.keys() - {"seed"}}


async def signature(bridge: Session, row: Row) -> None:
    reading = read(bridge, "signature", *unhex(row, "publicKey", "tag", "message", "signature"))
    if row["valid"]:
        assert await reading == {}
    else:
        await refused(reading, {"kind": "auth", "code": "bad_signature"})


async def budget(bridge: Session, row: Row) -> None:
    said = await read(bridge, "budget", *unhex(row, "root", "nonce"))
    assert said == {name: row[name] for name in ("budget", "account")}


async def terms(bridge: Session, row: Row) -> None:
    reading = read(bridge, "terms", row["text"].encode())
    if row["refused"] is None:
        assert await reading == {}
    else:
        await refused(reading, row["refused"])


async def message(bridge: Session, row: Row) -> None:
    assert await read(bridge, "ledger", *unhex(row, "bytes")) == {"message": row["message"]}


async def trip(bridge: Session, row: Row) -> None:
    reading = read(bridge, "trip", *unhex(row, "signed", "signature"))
    if row["refused"] is None:
        assert await reading == {"budget": row["budget"]}
    else:
        await refused(reading, row["refused"])


async def code(bridge: Session, row: Row) -> None:
    reading = read(bridge, "redeem_code", row["text"].encode())
    if row["refused"] is None:
        assert await reading == {name: row[name] for name in row.keys() - {"text", "refused"}}
    else:
        await refused(reading, row["refused"])


# By file and list.
CHECKS: dict[tuple[str, str], Check] = {
    ("records", "taken"): record,
    ("records", "refused"): record,
    ("frames", "taken"): frame,
    ("frames", "data"): data,
    ("frames", "skipped"): skipped,
    ("frames", "refused"): no_frame,
    ("identity", "keys"): key,
    ("identity", "signatures"): signature,
    ("killswitch", "budgets"): budget,
    ("killswitch", "terms"): terms,
    ("killswitch", "messages"): message,
    ("killswitch", "trips"): trip,
    ("killswitch", "codes"): code,
}
# Whole tables, by file and list: what they are read as.
TABLES = {
    ("frames", "types"): "frame_types",
    ("errors", "kinds"): "kinds",
    ("codes", "codes"): "codes",
}
FILES = sorted({file for file, _ in (*CHECKS, *TABLES)})


def vectors(file: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / f"{file}.json").read_text("utf-8"))
    return read


def test_no_file_and_no_list_of_the_vectors_is_left_out() -> None:
    assert [path.stem for path in sorted(FOLDER.glob("*.json"))] == FILES
    for file in FILES:
        own = {name for other, name in (*CHECKS, *TABLES) if other == file}
        assert set(vectors(file)) == own | ELSEWHERE.get(file, set())


@pytest.mark.parametrize(("file", "name"), CHECKS, ids=lambda name: str(name))
async def test_the_core_reads_what_the_vectors_say(bridge: Session, file: str, name: str) -> None:
    found = vectors(file)[name]
    rows = found if isinstance(found, list) else [found]
    checked = 0
    for row in rows:
        await CHECKS[file, name](bridge, row)
        checked += 1
    assert checked == len(rows) > 0


@pytest.mark.parametrize(("file", "name"), TABLES, ids=lambda name: str(name))
async def test_the_tables_are_those_of_the_core(bridge: Session, file: str, name: str) -> None:
    rows = vectors(file)[name]
    said = await read(bridge, TABLES[file, name])
    assert said == {name: rows}
    assert len(said[name]) == len(rows) > 0


async def test_what_is_read_as_nothing_is_refused(bridge: Session) -> None:
    for what, field in (("odd", "what"), ("trip", "bytes")):
        with pytest.raises(errors.InvalidArgumentError) as raised:
            await read(bridge, what)
        assert raised.value.field == field
