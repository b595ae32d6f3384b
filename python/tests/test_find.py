"""Finding, watching, describing."""

from __future__ import annotations

import asyncio
import datetime

import pytest
from programs import knows

import hubless
from hubless import Interval, Query, Skill, errors, where


async def ok() -> str:
    """Answers ok."""
    return "ok"


FX = Skill(
    id="rate",
    description="historic FX rates",
    tags=["fx"],
    effect="PURE",
    attributes={
        "pair": ["EUR/USD", "EUR/GBP"],
        "period": Interval(datetime.date(2021, 1, 1), datetime.date(2024, 12, 31)),
        "resolution_s": 60,
    },
)


async def test_finds_by_skill_tag_and_text(node: hubless.Node) -> None:
    await node.register(ok, name="fx", tags=["fx"], skill=FX)
    await node.register(ok, name="other")
    async with hubless.Node.start() as caller:
        await knows(caller, "fx")
        for query in (
            {"skill": "rate"},
            {"tags": ["fx"]},
            {"query": "historic FX rates", "tags": ["fx"]},
            {"query": Query(text="historic FX rates", skill="rate", exclude=[])},
        ):
            found = await caller.find(**query)  # type: ignore[arg-type]
            assert found[0].name == "fx"
        peer = await caller.peer(skill="rate", explain=True)
        assert peer.explain
        assert peer.node_key == node.node_key
        assert await peer() == "ok"
        assert (await peer.request()).path == "direct"


async def test_filters_over_typed_attributes(node: hubless.Node) -> None:
    await node.register(ok, name="fx", skill=FX)
    day = datetime.date(2022, 5, 1)
    pair, period = where("attributes.pair"), where("attributes.period")
    wanted = pair.contains("EUR/USD") & period.covers(Interval(day, day))
    late = datetime.date(2025, 5, 1)
    assert [peer.name for peer in await node.find(filter=wanted)] == ["fx"]
    for refused in (
        pair.contains("USD/JPY"),
        period.covers(Interval(day, late)),
        wanted & where("attributes.resolution_s").at_most(30),
        ~wanted,
    ):
        assert await node.find(filter=refused, wait=0.0) == []
    assert await node.find(filter=wanted | pair.contains("USD/JPY"))


async def test_nobody_is_not_found(node: hubless.Node) -> None:
    assert await node.find(skill="no-such-skill", wait=0.0) == []
    with pytest.raises(LookupError) as raised:
        await node.peer(skill="no-such-skill", wait=0.01)
    assert isinstance(raised.value, errors.NotFoundError)
    with pytest.raises(errors.NotFoundError):
        await node.request("nobody", options=hubless.Options(wait=0.01))


async def test_find_waits_for_a_first_match(node: hubless.Node) -> None:
    looking = asyncio.ensure_future(node.find(skill="late", wait=10.0))
    await asyncio.sleep(0.05)
    await node.register(ok, skill=Skill(id="late"))
    assert [peer.name for peer in await looking] == ["ok"]


async def test_exclude_takes_peers(node: hubless.Node) -> None:
    await node.register(ok, name="one", tags=["t"])
    await node.register(ok, name="two", tags=["t"])
    first = await node.peer(tags=["t"])
    second = await node.peer(tags=["t"], exclude=[first])
    assert {first.name, second.name} == {"one", "two"}


async def test_discover_yields_as_they_appear(node: hubless.Node) -> None:
    await node.register(ok, name="one", tags=["t"])
    names = []
    async with node.discover(tags=["t"]) as peers:
        async for peer in peers:
            names.append(peer.name)
            if peer.name == "one":
                await node.register(ok, name="two", tags=["t"])
            else:
                break
    assert names == ["one", "two"]


async def test_watch_tells_who_comes_and_goes(node: hubless.Node) -> None:
    async with hubless.Node.start() as other, node.watch(tags=["t"]) as seen:
        assert isinstance(await asyncio.wait_for(anext(seen), 10), hubless.Snapshot)
        agent = await other.register(ok, name="one", tags=["t"])
        events = [await asyncio.wait_for(anext(seen), 10)]
        await agent.unregister()
        while not isinstance(events[-1], hubless.Departed):
            events.append(await asyncio.wait_for(anext(seen), 10))
    assert any(isinstance(event, hubless.Arrived) for event in events)
    assert isinstance(events[-1], hubless.Departed)
    assert events[-1].name == "one"


async def test_describes_and_lists(node: hubless.Node) -> None:
    agent = await node.register(ok, skill=FX, description="rates", version="1.2.0")
    described = await node.describe("ok")
    assert described.descriptor["description"] == "rates"
    assert described.skills[0]["id"] == "rate"
    assert [peer.agent_id for peer in await node.list_agents("local")] == [agent.id]
    assert await node.list_agents("client") == []


async def test_loads_a_catalogue_and_says_what_it_refused(node: hubless.Node) -> None:
    async def known(name: str) -> str:
        return name

    async with hubless.Node.start(memory_only=True) as elsewhere:
        agent = await elsewhere.register(known)
        described = await elsewhere.describe("known")
    listed = {**described.descriptor, "agentId": agent.id}
    loaded = await node.load_agents([listed, {"nonsense": True}])
    assert loaded.loaded == 1
    assert [error.kind for error in loaded.refused] == ["invalid_argument"]
    assert [peer.name for peer in await node.list_agents("client")] == ["known"]


async def test_unknown_query_field_is_named(node: hubless.Node) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="skil"):
        await node.find(skil="x")


async def test_pins(node: hubless.Node) -> None:
    agent = await node.register(ok, identity="ok")
    await node.pins.set("ok", agent.id)
    assert [(pin.name, pin.agent_id) for pin in await node.pins.list()] == [("ok", agent.id)]
    await node.pins.remove("ok")
    assert await node.pins.list() == []
