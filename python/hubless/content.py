"""Content: what a prompt or a result is made of, and blobs that stream.

Owns the part types and their form in the contract. Must not know calls. A small blob is held in
memory; a large one arrives as a handle of the core and is read with back-pressure.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from . import _wire
from .errors import ContentError
from .schema import decode

if TYPE_CHECKING:
    from ._session import Session

__all__ = ["Blob", "Content", "Data", "Part", "Text", "Uri"]

T = TypeVar("T")
Bytes = bytes
Source = AsyncIterable[Bytes] | Iterable[Bytes]

# The largest piece that crosses the boundary at once.
_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True)
class Text:
    """Is a piece of text; with ``role`` it is a turn of a conversation.

    >>> hubless.Text("hello", role="user").text
    'hello'
    """

    text: str
    role: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Data:
    """Is a JSON value.

    >>> hubless.Data({"pair": "EURUSD"}).data["pair"]
    'EURUSD'
    """

    data: Any
    role: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Uri:
    """Names something that lives elsewhere; nothing fetches it by itself.

    ``size`` is bytes, ``digest`` such as ``sha256:<hexadecimal digits>``.

    >>> hubless.Uri("https://example.org/a.csv", media_type="text/csv").media_type
    'text/csv'
    """

    uri: str
    media_type: str | None = None
    digest: str | None = None
    size: int | None = None
    role: str | None = None
    metadata: Mapping[str, Any] | None = None


class Blob:
    """Is bytes with a media type, in memory or streamed.

    Give ``data``, or ``source``: a (possibly asynchronous) iterable of bytes such as an open
    binary file, which is sent piece by piece as the receiver takes it. A received blob is read
    with ``bytes()`` (at most 64 MiB, else ``too_large``) or ``reader()``; a streamed one once.

    >>> photo = hubless.Blob(b"12345", media_type="image/png")
    >>> photo
    Blob(image/png, 5 bytes, in memory)
    >>> await photo.bytes()
    b'12345'
    """

    def __init__(
        self,
        data: Bytes | None = None,
        *,
        media_type: str = "application/octet-stream",
        filename: str | None = None,
        source: Source | None = None,
        size: int | None = None,
        sha256: str | None = None,
        role: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.data = data
        self.media_type = media_type
        self.filename = filename
        self.source = source
        self.size = len(data) if data is not None else size
        self.sha256 = sha256
        self.role = role
        self.metadata = metadata
        self._session: Session | None = None
        self._body = 0
        self._finalizer: weakref.finalize[Any, Blob] | None = None

    def __repr__(self) -> str:
        how = "streamed" if self.data is None else "in memory"
        return f"Blob({self.media_type}, {self.size} bytes, {how})"

    async def bytes(self) -> Bytes:
        """Gives all bytes; refused above 64 MiB with ``too_large``.

        ``ContentError`` if the digest is not what was announced, ``TransportError`` if the sender
        went away.
        """
        if self.data is None and self._session is not None:
            session, body = self._take()
            _, attachments = await session.call("body.gather", {"body": body})
            self.data = attachments[0] if attachments else b""
        elif self.data is None:
            self.data = b"".join([piece async for piece in self.reader()])
        return self.data

    async def reader(self) -> AsyncIterator[Bytes]:
        """Yields the bytes as they arrive; a wrong digest at the end is ``content``."""
        if self.data is not None:
            yield self.data
        elif self._session is not None:
            session, body = self._take()
            done = False
            try:
                while not done:
                    answer, attachments = await session.call("body.read", {"body": body})
                    done = bool(answer.get("end"))
                    if attachments:
                        yield attachments[0]
            finally:
                if not done:
                    session.forget("body.drop", {"body": body})
        elif isinstance(self.source, AsyncIterable):
            async for piece in self.source:
                yield piece
        else:
            for piece in self.source or ():
                yield piece

    def _take(self) -> tuple[Session, int]:
        if self._session is None or not self._body:
            raise ContentError("a streamed blob is read once", code="consumed")
        body, self._body = self._body, 0
        if self._finalizer is not None:
            self._finalizer.detach()
        return self._session, body

    @classmethod
    def _arriving(cls, session: Session, record: Mapping[str, Any]) -> Blob:
        blob = cls(
            media_type=record.get("mediaType") or "application/octet-stream",
            filename=record.get("filename"),
            size=record.get("size"),
            sha256=record.get("sha256"),
        )
        blob._session, blob._body = session, int(record["body"])
        blob._finalizer = weakref.finalize(blob, session.forget, "body.drop", {"body": blob._body})
        blob._finalizer.atexit = False
        return blob


Part = Text | Data | Blob | Uri
_PARTS = (Text, Data, Blob, Uri)


@dataclass(frozen=True)
class Content:
    """Is a sequence of parts.

    ``value`` is the text of a single text part or the JSON value of a single data part, else
    None; ``text`` joins all text parts.

    >>> content = hubless.Content([hubless.Text("look"), hubless.Blob(b"12345")])
    >>> content.blob.size
    5
    """

    parts: Sequence[Part] = ()
    metadata: Mapping[str, Any] | None = None
    value: Any = None
    text: str = ""

    def into(self, kind: type[T]) -> T:
        """Decodes ``value`` into a type; ``json`` with the pointer if it does not fit."""
        return decode(kind, self.value)

    @property
    def blob(self) -> Blob:
        """Is the first blob; ``content`` if there is none."""
        for part in self.parts:
            if isinstance(part, Blob):
                return part
        raise ContentError("the content holds no blob", code="no_blob")


@dataclass
class Outgoing:
    """Is content on its way into the core: its record, its attachments, its open streams."""

    record: dict[str, Any]
    attachments: list[Bytes] = field(default_factory=list)
    streams: list[tuple[Blob, dict[str, Any]]] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)

    async def open(self, session: Session) -> None:
        """Opens a body for each streamed blob; must come before the record is sent."""
        try:
            for blob, record in self.streams:
                answer, _ = await session.call("body.open", _wire.compact({"size": blob.size}))
                record["body"] = answer["body"]
        except BaseException:
            self.release(session)
            raise

    def write(self, session: Session) -> asyncio.Task[None]:
        """Starts writing every streamed blob; what is not written to its end is given back."""
        task = asyncio.ensure_future(self._write(session))
        # Not in the task itself: one that is cancelled before its first step never runs.
        task.add_done_callback(lambda _: self.release(session))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _write(self, session: Session) -> None:
        await asyncio.gather(*(self._write_one(session, *stream) for stream in self.streams))

    async def _write_one(self, session: Session, blob: Blob, record: dict[str, Any]) -> None:
        body = record["body"]
        try:
            async for data in blob.reader():
                for start in range(0, len(data), _PIECE_BYTES):
                    piece = bytes(data[start : start + _PIECE_BYTES])
                    await session.call("body.write", {"body": body, "attachment": 0}, [piece])
            await session.call("body.end", {"body": body})
            self.ended.add(body)
        except Exception as error:
            self.ended.add(body)
            message = str(error) or type(error).__name__
            session.forget("body.fail", {"body": body, "message": message})
            raise

    def release(self, session: Session) -> None:
        """Gives back every body that was not written to its end."""
        for _, record in self.streams:
            if "body" in record and record["body"] not in self.ended:
                self.ended.add(record["body"])
                session.forget("body.drop", {"body": record["body"]})


def outgoing(value: Any) -> Outgoing:
    """Encodes what the host gives as content: a value, bytes, parts or content."""
    if isinstance(value, Content):
        parts: Sequence[Any] = value.parts
        extra = {"metadata": dict(value.metadata)} if value.metadata else {}
    elif isinstance(value, _PARTS):
        parts, extra = (value,), {}
    elif isinstance(value, (bytes, bytearray, memoryview)):
        parts, extra = (Blob(bytes(value)),), {}
    elif isinstance(value, (list, tuple)) and any(isinstance(part, _PARTS) for part in value):
        parts, extra = value, {}
    else:
        return Outgoing({"value": value})
    out = Outgoing({"parts": [], **extra})
    out.record["parts"] = [_encode(part, out) for part in parts]
    return out


def _encode(part: Any, out: Outgoing) -> dict[str, Any]:
    if not isinstance(part, _PARTS):
        part = Text(part) if isinstance(part, str) else Data(part)
    extra = _wire.compact({"role": part.role, "metadata": part.metadata})
    if isinstance(part, Text):
        return {"text": part.text, **extra}
    if isinstance(part, Data):
        return {"data": part.data, **extra}
    if isinstance(part, Uri):
        uri = {"uri": part.uri, "mediaType": part.media_type, "digest": part.digest}
        return {"uri": _wire.compact({**uri, "size": part.size}), **extra}
    blob = _wire.compact({"mediaType": part.media_type, "filename": part.filename})
    if part.data is not None:
        out.attachments.append(part.data)
        return {"blob": {**blob, "attachment": len(out.attachments) - 1}, **extra}
    record = {"kind": "blob", **blob, **_wire.compact({"size": part.size, "sha256": part.sha256})}
    out.streams.append((part, record))
    return {"stream": record, **extra}


def part_of(session: Session, record: Mapping[str, Any], attachments: Sequence[Bytes]) -> Part:
    """Decodes one part that came out of the core."""
    role, metadata = record.get("role"), record.get("metadata")
    if "uri" in record:
        uri = record["uri"]
        return Uri(
            uri["uri"], uri.get("mediaType"), uri.get("digest"), uri.get("size"), role, metadata
        )
    if "blob" in record:
        inner = record["blob"]
        data = attachments[int(inner["attachment"])]
        media_type = inner.get("mediaType") or "application/octet-stream"
        blob = Blob(data, media_type=media_type, filename=inner.get("filename"))
        blob.role, blob.metadata = role, metadata
        return blob
    if "stream" in record:
        return Blob._arriving(session, record["stream"])
    # The text comes last: a piece of an answer has one beside whatever it is.
    if isinstance(record.get("text"), str) and "data" not in record:
        return Text(record["text"], role, metadata)
    return Data(record.get("data"), role, metadata)


def content_of(
    session: Session, record: Mapping[str, Any] | None, attachments: Sequence[Bytes]
) -> Content:
    """Decodes content that came out of the core."""
    if not record:
        return Content()
    parts = [part_of(session, part, attachments) for part in record.get("parts", ())]
    return Content(parts, record.get("metadata"), record.get("value"), record.get("text") or "")
