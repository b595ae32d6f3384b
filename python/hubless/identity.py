"""What ids, keys, addresses and names say by themselves, and the bounds of the library.

Owns the record of an id. Must not know nodes: the core answers, without asking anybody.
Tested by ``tests/test_vectors.py``, with the vectors that every language runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from . import _wire
from ._session import ask

__all__ = ["Identity", "IdentityKind", "inspect_id", "limits"]

IdentityKind = Literal["agentId", "nodeKey", "meshId", "address", "name", "target"]


@dataclass(frozen=True)
class Identity:
    """Is a text that names an agent, a node or a mesh, as read.

    ``text`` is the canonical form. Of an agent id, ``key`` is the Ed25519 public key, 64
    lower-case hexadecimal digits, and ``address`` the short address in the mesh that was given;
    else both are None.

    >>> hubless.inspect_id("Greet")
    Identity(text='greet', key=None, address=None)
    """

    text: str
    key: str | None = None
    address: str | None = None


def inspect_id(text: str, kind: IdentityKind = "target", *, mesh: str | None = None) -> Identity:
    """Reads an id, key, address or name, without a node and without asking anybody.

    ``kind`` is what it is to be; ``target`` is whatever a request can be for: an id, an address
    or a name. ``mesh`` is the id of the mesh in which the address of an agent id is wanted.
    Raises ``InvalidArgumentError`` with a code such as ``bad_did`` or ``bad_name``.

    >>> hubless.inspect_id("7:abcd.ef01.2345", "address").text
    '7:ABCD.EF01.2345'
    >>> hubless.inspect_id("a b", "name")
    Traceback (most recent call last):
    ...
    hubless.errors.InvalidArgumentError: ...
    """
    record = ask("id.inspect", _wire.compact({"text": text, "kind": kind, "mesh": mesh}))
    return Identity(record["text"], record.get("key"), record.get("address"))


def limits() -> Mapping[str, int]:
    """Gives every bound of the library by the name that ``Error.limit`` says.

    Times are in milliseconds, sizes in bytes.

    >>> hubless.limits()["DEADLINE"]
    60000
    """
    told: Mapping[str, int] = ask("limits", {})["limits"]
    return told
