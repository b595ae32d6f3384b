"""The blocking twin."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

import hubless
from hubless import errors, sync


@pytest.fixture
def node(home: object) -> Iterator[sync.Node]:
    with sync.Node.start() as started:
        yield started


def test_registers_finds_and_calls(node: sync.Node) -> None:
    @node.agent(tags=["math"])
    def double(x: int, ctx: sync.Call) -> int:
        """Doubles."""
        ctx.progress("thinking")
        return x * 2

    assert node.request("double", x=4).value == 8
    assert node.peer(tags=["math"])(x=5) == 10
    assert node.find("doubles")[0].name == "double"
    assert node.describe("double").skills[0]["id"] == "double"
    with pytest.raises(errors.JsonError):
        node.request("double", x="four")
    response = node.send("double", x="four")
    assert isinstance(response.rejection, errors.JsonError)


def test_streams(node: sync.Node) -> None:
    @node.agent
    def count(n: int) -> Iterator[str]:
        for number in range(n):
            yield str(number)

    with node.stream("count", n=3) as stream:
        assert [chunk.text for chunk in stream] == ["0", "1", "2"]
        assert stream.reply.agent.name == "count"


def test_blobs_are_read_without_a_loop(node: sync.Node) -> None:
    @node.agent
    def back(blob: hubless.Blob, ctx: sync.Call) -> hubless.Blob:
        return hubless.Blob(ctx.wait(blob.bytes()))

    data = bytes(1_000_000)
    blob = node.request("back", hubless.Blob(data)).content.blob
    assert b"".join(node.iterate(blob.reader())) == data


def test_from_many_threads(node: sync.Node) -> None:
    @node.agent
    async def same(n: int) -> int:
        return n

    seen: list[int] = []

    def work(start: int) -> None:
        seen.extend(node.request("same", n=start + i).value for i in range(20))

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(seen) == sorted(100 * n + i for n in range(8) for i in range(20))


def test_nested_calls_of_thread_handlers_are_children(node: sync.Node) -> None:
    @node.agent
    def inner(ctx: sync.Call) -> int:
        return int(ctx.depth)

    @node.agent
    def outer() -> int:
        return int(node.request("inner").value)

    assert node.request("outer").value == 1


def test_blocking_on_the_loop_is_refused(node: sync.Node) -> None:
    @node.agent
    async def wrong() -> None:
        node.request("wrong")

    with pytest.raises(hubless.Rejected, match="event loop"):
        node.request("wrong")


def test_watch_and_discover(node: sync.Node) -> None:
    node.register(lambda: "x", name="one", tags=["t"])
    peers = node.discover(tags=["t"])
    assert next(peers).name == "one"
    peers.close()  # type: ignore[attr-defined]


def test_default_node_is_one_for_all_threads(home: object) -> None:
    nodes: list[sync.Node] = []
    threads = [threading.Thread(target=lambda: nodes.append(sync.default())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len({id(one) for one in nodes}) == 1
    nodes[0].close()


def test_stores(node: sync.Node) -> None:
    node.set_template("t", {"metadata": {"a": 1}})
    assert node.templates() == ["t"]
    node.remove_template("t")
    agent = node.register(lambda: "x", name="one")
    node.set_credential(agent.id, "s")
    node.remove_credential(agent.id)
    assert node.pins() == []


def test_works_beside_a_running_loop(node: sync.Node) -> None:
    node.register(lambda: "x", name="one")

    async def main() -> str:
        return str((await asyncio.to_thread(node.request, "one")).value)

    assert asyncio.run(main()) == "x"


def test_every_operation_of_a_node_has_its_blocking_form() -> None:
    of_ours = {"keep", "op", "outbound"}
    operations = {name for name in vars(hubless.Node) if not name.startswith("_")} - of_ours
    assert {"request", "find", "close"} <= operations
    assert operations - set(vars(sync.Node)) == set()
    functions = {"current", "find", "join", "peer", "request", "send", "stream"}
    assert functions <= set(sync.__all__) & set(hubless.__all__)


def test_functions_of_the_module_use_the_default_node(home: object) -> None:
    node = sync.default()
    node.register(lambda: "x", name="one", tags=["t"])
    assert sync.request("one").value == "x"
    assert sync.send("one").output is not None
    with sync.stream("one") as stream:
        assert [chunk.value for chunk in stream] == []
        assert stream.reply.agent.node_key == node.node_key
    assert sync.peer(tags=["t"]).request().value == "x"
    assert [peer.name for peer in sync.find(tags=["t"])] == ["one"]
    node.close()


def test_hosts_and_looks_after_agents(node: sync.Node) -> None:
    agent = node.register(lambda n: n, name="one")
    assert node.status()["nodeKey"] == node.node_key
    node.check(agent, n=1)
    with pytest.raises(hubless.Rejected):
        node.check(agent, "no object")
    node.health(agent, "down")
    assert [peer.name for peer in node.list_agents("local")] == ["one"]
    assert node.load_agents([{"name": "far"}]).loaded == 0
    node.set_auth(hubless.SharedSecret("s"))
    node.set_pin("friend", agent.id)
    assert [pin.agent_id for pin in node.pins()] == [agent.id]
    node.remove_pin("friend")
    node.unregister(agent)
    with pytest.raises(errors.NotFoundError):
        node.request("one", options=hubless.Options(wait=0))


def test_invites_and_joins(node: sync.Node, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    assert sync.join(node.invite(uses=1, local=True), home=other) == node.mesh_id
