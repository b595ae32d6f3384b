"""Every public type shows itself at work, and what is shown runs.

Examples are written as for ``python -m asyncio``: with ``await`` at the top. ``asyncio``,
``hubless`` and ``node``, a started node, are there.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import functools
import importlib
import inspect
import io
import pkgutil
import sys
import traceback
import types
from collections.abc import Iterator
from typing import Any

import pytest

import hubless
import hubless.sync
from hubless import errors

# Longest time that one example may take.
_PATIENCE_SECONDS = 10
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
MODULES = [
    importlib.import_module(f"hubless.{found.name}")
    for found in pkgutil.iter_modules(hubless.__path__)
    if not found.name.startswith("_")
]


def found() -> Iterator[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    for module in [hubless, *MODULES]:
        yield from finder.find(module, module.__name__, module=module)


EXAMPLES = {test.name: test for test in found() if test.examples}


def run_one(loop: asyncio.AbstractEventLoop, source: str, names: dict[str, Any]) -> str | None:
    """Runs one example; gives the last line of what it raised."""
    code = compile(source, "<example>", "single", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    try:
        result = types.FunctionType(code, names)()
        if inspect.iscoroutine(result):
            loop.run_until_complete(asyncio.wait_for(result, _PATIENCE_SECONDS))
    except Exception as error:
        return traceback.format_exception_only(error)[-1]
    return None


def check(example: doctest.Example, said: str, raised: str | None) -> None:
    checker = doctest.OutputChecker()
    if example.exc_msg is not None:
        assert raised is not None, f"expected {example.exc_msg}"
        assert raised.partition(":")[0] == example.exc_msg.partition(":")[0]
    else:
        assert raised is None, f"{example.source}{raised}"
        assert checker.check_output(example.want, said, FLAGS), (
            f"{example.source}expected {example.want}got {said}"
        )


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_prints_what_it_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.new_event_loop()
    monkeypatch.setattr(sys, "displayhook", sys.__displayhook__)
    node = loop.run_until_complete(start())
    names = {"asyncio": asyncio, "hubless": hubless, "node": node, "__name__": "example"}
    try:
        for example in EXAMPLES[name].examples:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                raised = run_one(loop, example.source, names)
            check(example, out.getvalue(), raised)
    finally:
        names.clear()
        loop.run_until_complete(node.close(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def start() -> hubless.Node:
    return await hubless.Node.start()


def test_an_example_that_lies_is_found() -> None:
    loop = asyncio.new_event_loop()
    parser = doctest.DocTestParser()
    lies = ">>> 1 + 1\n3\n", ">>> 1 / 0\n1\n", ">>> 1\nTraceback (most recent call last):\nX: y\n"
    for text in lies:
        (example,) = parser.get_examples(text)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            raised = run_one(loop, example.source, {})
        with pytest.raises(AssertionError):
            check(example, out.getvalue(), raised)
    loop.close()


def public() -> Iterator[tuple[str, Any]]:
    for module in [hubless, *MODULES]:
        for name in module.__all__:
            yield f"{module.__name__}.{name}", getattr(module, name)


def types_to_show() -> set[type]:
    """Gives the public types; the classes of kinds, which add nothing, are shown by ``Error``."""
    found = {value for _, value in public() if isinstance(value, type)}
    kinds = set(errors.KINDS.values())
    return {kind for kind in found if kind not in kinds}


def test_every_public_type_has_an_example() -> None:
    kinds = types_to_show()
    assert {hubless.Node, hubless.sync.Node, errors.Limit} <= kinds
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in kinds}
    assert sorted(names - set(EXAMPLES)) == []


def undocumented(name: str, value: Any) -> Iterator[str]:
    """Gives what has no docstring of its own: what a base class says is about the base class."""
    if not (isinstance(value, type) or inspect.isroutine(value)):
        return
    if not own_doc(value):
        yield name
    members = vars(value).items() if isinstance(value, type) else ()
    for member, made in members:
        shown = inspect.isroutine(made) or isinstance(
            made, (property, functools.cached_property, classmethod, staticmethod)
        )
        if shown and not member.startswith("_") and not own_doc(made):
            yield f"{name}.{member}"


def own_doc(value: Any) -> str | None:
    """Gives a docstring as it is written there, which ``inspect.getdoc`` looks further for."""
    if not isinstance(value, type):
        return getattr(value, "__doc__", None)
    doc = vars(value).get("__doc__")
    # A dataclass that says nothing gets its signature.
    return None if doc is None or doc.startswith(f"{value.__name__}(") else doc


def test_everything_public_has_a_docstring_of_its_own() -> None:
    assert [missing for name, value in public() for missing in undocumented(name, value)] == []


def test_what_has_no_docstring_is_found() -> None:
    class Base:
        """Is documented."""

        def told(self) -> None:
            """Is documented."""

    class Silent(Base):
        def told(self) -> None: ...

        @property
        def shown(self) -> int:
            return 1

        @classmethod
        def made(cls) -> None: ...

    wanted = ["Silent", "Silent.told", "Silent.shown", "Silent.made"]
    assert (list(undocumented("Base", Base)), list(undocumented("Silent", Silent))) == ([], wanted)
