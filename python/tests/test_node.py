"""Start, close and what a node says about itself."""

from __future__ import annotations

import asyncio
import gc
import logging
from pathlib import Path

import pytest
from programs import knows

import hubless
from hubless import errors

# A busy machine may stand still for seconds.
PATIENCE_SECONDS = 20


async def echo(value: str) -> str:
    return value


async def test_starts_in_the_users_own_mesh(node: hubless.Node, home: Path) -> None:
    assert node.node_key
    assert node.mesh_id
    status = await node.status()
    assert status["nodeKey"] == node.node_key
    assert status["version"] == hubless.__version__


async def test_awaited_start_and_idempotent_close() -> None:
    node = await hubless.Node.start()
    await node.close()
    await node.close()
    for work in (node.status(), node.find("x"), node.request("x", "y")):
        with pytest.raises(errors.ClosedError):
            await work


async def test_two_nodes_of_one_home_share_the_mesh(node: hubless.Node) -> None:
    async with hubless.Node.start() as other:
        assert other.mesh_id == node.mesh_id
        assert other.node_key != node.node_key


async def test_calls_itself_in_process(node: hubless.Node) -> None:
    await node.register(echo)
    reply = await node.request("echo", value="hi")
    assert (reply.value, reply.path, reply.agent.name) == ("hi", "in_process", "echo")
    assert reply.agent.node_key == node.node_key


async def test_spans_go_to_the_file_that_the_node_names(tmp_path: Path) -> None:
    spans = tmp_path / "spans.jsonl"
    async with hubless.Node.start(trace=spans) as node:
        await node.register(echo)
        reply = await node.request("echo", value="hi")
    assert len(reply.trace_id) == 32
    assert reply.trace_id in spans.read_text()


async def test_calls_another_node_directly(node: hubless.Node) -> None:
    await node.register(echo)
    async with hubless.Node.start() as other:
        await knows(other, "echo")
        reply = await other.request("echo", value="hi")
        assert (reply.value, reply.path) == ("hi", "direct")
        assert reply.agent.node_key == node.node_key


async def test_close_fails_what_is_pending() -> None:
    node = await hubless.Node.start()
    started = asyncio.Event()

    @node.agent
    async def slow() -> None:
        started.set()
        await asyncio.sleep(60)

    call = asyncio.ensure_future(node.request("slow"))
    await started.wait()
    await node.close(grace=0)
    late = (
        lambda: call,
        lambda: node.request("slow"),
        lambda: node.find("x"),
        lambda: node.register(slow, name="late"),
        lambda: node.status(),
    )
    for use in late:
        with pytest.raises(hubless.Error) as raised:
            await use()
        assert raised.value.kind == "closed"


async def test_close_lets_running_calls_end() -> None:
    node = await hubless.Node.start()
    started, go = asyncio.Event(), asyncio.Event()

    @node.agent
    async def slow() -> str:
        started.set()
        await go.wait()
        return "done"

    call = asyncio.ensure_future(node.request("slow"))
    await started.wait()
    closing = asyncio.ensure_future(node.close(grace=10))
    await asyncio.sleep(0.05)
    go.set()
    assert (await call).value == "done"
    await closing


async def test_unregister_refuses_new_calls(node: hubless.Node) -> None:
    agent = await node.register(echo)
    await agent.unregister()
    with pytest.raises(errors.NotFoundError):
        await node.request("echo", value="x", options=hubless.Options(wait=0.0))


async def test_a_call_that_runs_when_its_agent_is_unregistered_finishes(
    node: hubless.Node,
) -> None:
    started, go = asyncio.Event(), asyncio.Event()

    async def leaving() -> str:
        if not started.is_set():
            started.set()
            await go.wait()
        return "finished"

    async def refused() -> None:
        # Calls that come before the word are still taken.
        while True:
            await node.request("leaving", options=hubless.Options(wait=0.0))

    agent = await node.register(leaving)
    running = asyncio.ensure_future(node.request("leaving"))
    await started.wait()
    gone = asyncio.ensure_future(agent.unregister())
    with pytest.raises(errors.NotFoundError):
        await asyncio.wait_for(refused(), PATIENCE_SECONDS)
    assert not running.done() and not gone.done()
    go.set()
    assert (await running).value == "finished"
    await gone


async def test_name_taken_is_a_conflict(node: hubless.Node) -> None:
    await node.register(echo)
    with pytest.raises(errors.ConflictError) as raised:
        await node.register(echo)
    assert raised.value.code == "name_taken"


async def test_error_of_a_registration_nobody_awaited_is_not_lost(node: hubless.Node) -> None:
    node.register(echo)
    node.register(echo)
    with pytest.raises(errors.ConflictError):
        await node.status()
    await node.status()


async def test_stored_identity_keeps_its_key() -> None:
    ids = []
    for _ in range(2):
        async with hubless.Node.start() as node:
            ids.append((await node.register(echo, identity="echo")).id)
            assert (await node.register(echo, name="other")).id not in ids
    assert ids[0] == ids[1]


async def test_misspelled_option_is_refused(node: hubless.Node) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="tag"):
        node.register(echo, tag=["x"])


async def test_invite_is_a_ticket_and_join_takes_it(
    node: hubless.Node, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await node.register(echo)
    ticket = await node.invite(uses=1, local=True)
    second = tmp_path_factory.mktemp("second")
    assert await hubless.join(ticket, home=second) == node.mesh_id
    async with hubless.Node.start(home=second) as guest:
        assert guest.mesh_id == node.mesh_id
    with pytest.raises(hubless.Error):
        await hubless.join("nonsense")


async def test_logs_go_to_the_hosts_logger(caplog: pytest.LogCaptureFixture) -> None:
    def said(level: int, *words: str) -> list[str]:
        found = [one for one in caplog.records if one.levelno == level]
        return [one.name for one in found if all(word in one.getMessage() for word in words)]

    async def until_said(level: int, *words: str) -> list[str]:
        while not said(level, *words):
            await asyncio.sleep(0.01)
        return said(level, *words)

    def refuse(_: hubless.AuthRequest) -> bool:
        raise RuntimeError("broken on purpose")

    rules = hubless.Requirements(auth=refuse)
    shown = hubless.Options(auth=hubless.Credential("canary", "own"))
    with caplog.at_level(5, logger="hubless"):
        async with hubless.Node.start(log="trace") as node:
            await node.register(echo)
            await node.register(echo, name="guarded", requirements=rules)
            await node.request("echo", value="canary")
            with pytest.raises(hubless.Rejected):
                await node.request("guarded", "canary", options=shown)
            warned = ("an auth function failed", "agent=guarded", "reason=handler_failed")
            names = await asyncio.wait_for(until_said(logging.WARNING, *warned), PATIENCE_SECONDS)
            assert names == ["hubless.engine.admit"]
    (name,) = said(logging.INFO, "agent registered", "agent=guarded")
    assert name.startswith("hubless.node")
    assert "canary" not in caplog.text
    # The control: what is searched for would be found.
    logging.getLogger("hubless.core").warning("canary")
    assert "canary" in caplog.text


async def test_dropped_node_leaves_nothing() -> None:
    node = await hubless.Node.start()
    await node.register(echo)
    del node
    gc.collect()
    await asyncio.sleep(0)
