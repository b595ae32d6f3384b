"""What comes before its agent is known here, and whose function decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fake_core import FakeCore

import hubless
from hubless._session import Session

DONE, CALL, CANCEL, AUTH, COUNT = 1, 3, 4, 6, 7
AGENT = 7
CALLER = {"kind": "local", "node": "n", "principal": "p", "mesh": "m", "groups": []}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCore:
    return FakeCore(monkeypatch)


def call_of(text: str) -> dict[str, Any]:
    content = {"parts": [{"text": text}], "value": text, "text": text}
    about = {"agent": AGENT, "skill": "early", "caller": CALLER, "deadlineMs": 60_000}
    return {**about, "content": content}


def auth_of(agent: int | None) -> dict[str, Any]:
    return {"agent": agent, "scheme": "own", "credential": "x", "caller": CALLER}


async def submitted(fake: FakeCore, op: str) -> tuple[int, dict[str, Any]]:
    """Waits until an operation is submitted."""
    for _ in range(10_000):
        for ticket, name, body in fake.submitted:
            if name == op:
                return ticket, body
        await asyncio.sleep(0)
    raise AssertionError(f"no {op} among {fake.submitted}")


async def registering(
    fake: FakeCore, handler: Callable[..., Any], **how: Any
) -> tuple[hubless.Node, Callable[[], None]]:
    """Begins a registration; what it gives queues the end of it."""
    node = hubless.Node(Session(), {})
    node.register(handler, name="early", **how)
    ticket, _ = await submitted(fake, "register")
    return node, lambda: fake.push(DONE, ticket, {"agent": AGENT, "name": "early"})


async def test_a_call_given_up_before_its_agent_is_known_does_not_begin(fake: FakeCore) -> None:
    began: list[str] = []

    async def early(text: str, /) -> str:
        began.append(text)
        return text

    node, end = await registering(fake, early)
    end()
    # All of it is taken in one turn of the loop, before the registration is looked at.
    fake.push(CALL, 100, call_of("given up"))
    fake.push(CANCEL, 100, {"kind": "cancelled", "message": "by the caller"})
    fake.push(CALL, 101, call_of("wanted"))
    _, final = await submitted(fake, "call.final")
    assert (final["call"], began) == (101, ["wanted"])
    assert [body for _, op, body in fake.submitted if op == "call.fail"] == []
    node.session.shut()


# Tasks that begin at once, where this version of Python has them.
EAGER = getattr(asyncio, "eager_task_factory", None)


@pytest.mark.parametrize("factory", [None, EAGER] if EAGER else [None])
async def test_a_question_that_comes_with_the_registration_is_the_agents(
    fake: FakeCore, factory: Any
) -> None:
    asyncio.get_running_loop().set_task_factory(factory)

    async def allow(_: hubless.AuthRequest) -> bool:
        return True

    async def count(texts: list[str]) -> int:
        return len(texts)

    rules = hubless.Requirements(auth=allow, max_tokens=9, token_counter=count)
    node, end = await registering(fake, lambda: "x", requirements=rules)
    end()
    fake.push(AUTH, 100, auth_of(AGENT))
    fake.push(COUNT, 101, {"agent": AGENT, "texts": ["a", "b"]})
    fake.push(COUNT, 102, {"agent": AGENT, "texts": []})
    fake.push(CANCEL, 102, {"kind": "cancelled", "message": "not waited for"})
    assert (await submitted(fake, "auth.verdict"))[1] == {"id": 100, "allow": True}
    assert (await submitted(fake, "count.result"))[1] == {"id": 101, "tokens": 2}
    asyncio.get_running_loop().set_task_factory(None)
    assert [body["id"] for _, op, body in fake.submitted if op == "count.result"] == [101]
    node.session.shut()


@pytest.mark.parametrize(
    ("agent", "answer"), [(AGENT, {"failed": True}), (None, {"allow": True}), (8, {"failed": True})]
)
async def test_the_nodes_function_stands_in_for_no_agents(
    fake: FakeCore, agent: int | None, answer: dict[str, Any]
) -> None:
    asked: list[str] = []

    async def allow(request: hubless.AuthRequest) -> bool:
        asked.append(request.scheme)
        return True

    node, end = await registering(fake, lambda: "x")
    node.inbound.global_auth = allow
    end()
    fake.push(AUTH, 100, auth_of(agent))
    assert (await submitted(fake, "auth.verdict"))[1] == {"id": 100, **answer}
    assert asked == (["own"] if agent is None else [])
    node.session.shut()
