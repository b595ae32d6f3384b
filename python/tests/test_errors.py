"""The tree of errors."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import hubless
from hubless import errors


@pytest.mark.parametrize("kind", errors.KINDS)
def test_every_kind_has_its_class(kind: str) -> None:
    plain = errors.from_record({"kind": kind, "message": "m", "rejection": False})
    refused = errors.from_record({"kind": kind, "message": "m", "rejection": True})
    assert type(plain) is errors.KINDS[kind]
    assert not isinstance(plain, hubless.Rejected)
    assert isinstance(refused, hubless.Rejected)
    assert isinstance(refused, errors.KINDS[kind])
    assert plain.kind == refused.kind == kind


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        ("deadline", TimeoutError),
        ("auth", PermissionError),
        ("denied", PermissionError),
        ("transport", ConnectionError),
        ("unknown_outcome", ConnectionError),
        ("not_found", LookupError),
        ("json", ValueError),
        ("invalid_argument", ValueError),
    ],
)
def test_builtins_catch_what_they_mean(kind: str, builtin: type[Exception]) -> None:
    for rejection in (True, False):
        with pytest.raises(builtin):
            raise errors.from_record({"kind": kind, "message": "m", "rejection": rejection})


def test_carries_every_field() -> None:
    record: dict[str, Any] = {
        "kind": "too_large",
        "code": "body",
        "operation": "request",
        "message": "too much",
        "field": "content",
        "limit": {"name": "request_bytes_max", "value": 5},
        "retry": {"afterMs": 1500},
        "agent": "a",
        "origin": "n",
        "traceId": "t",
        "pointer": "/x",
        "candidates": ["did:key:a", "did:key:b"],
    }
    error = errors.from_record(record)
    assert (error.code, error.operation, error.message) == ("body", "request", "too much")
    assert error.limit == errors.Limit("request_bytes_max", 5)
    assert error.retry == 1.5
    assert (error.field, error.agent, error.origin) == ("content", "a", "n")
    assert (error.trace_id, error.pointer) == ("t", "/x")
    assert error.candidates == ("did:key:a", "did:key:b")
    assert "too_large/body" in str(error)


def test_unknown_kind_is_internal() -> None:
    assert type(errors.from_record({"kind": "new", "message": "m"})) is errors.InternalError


def test_survives_pickle() -> None:
    for rejection in (True, False):
        record = {"kind": "busy", "code": "queue", "message": "full", "rejection": rejection}
        made = errors.from_record({**record, "retry": {"afterMs": 2000}})
        error = pickle.loads(pickle.dumps(made))
        assert (type(error), error.code, error.retry) == (type(made), "queue", 2.0)
