"""What stands in content, in the form of the cases."""

from typing import Any

from hubless import Blob, Content, Data, Text, Uri


def parts_seen(content: Content) -> dict[str, Any]:
    parts = [{**kind_of(part), **said(part, "role", "metadata")} for part in content.parts]
    return {"parts": parts, "metadata": dict(content.metadata or {})}


def kind_of(part: Any) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"text": part.text}
    if isinstance(part, Data):
        return {"data": part.data}
    if isinstance(part, Uri):
        return {"uri": {"uri": part.uri, **said(part, "media_type", "digest", "size")}}
    assert isinstance(part, Blob)
    return {"blob": said(part, "media_type", "filename")}


def said(part: Any, *names: str) -> dict[str, Any]:
    """Gives the members that are said, by the names of the wire."""
    given = {name: getattr(part, name) for name in names}
    words = {"media_type": "mediaType"}
    return {words.get(name, name): value for name, value in given.items() if value}
