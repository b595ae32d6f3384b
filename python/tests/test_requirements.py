"""What an agent requires holds before its handler runs, by each name of ``Requirements``."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import hubless
from hubless import Blob, Content, Context, Entry, Options, Page, Requirements, Text, errors

OTHER = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX"
PAGES = Context(pages=[Page("p", [Entry("a", "b")])])
CONTEXT = Context([Entry("a", "b")])


@dataclasses.dataclass
class Row:
    """One requirement, what it refuses with which kind, and what it takes."""

    field: str
    value: Any
    refused: tuple[Any, dict[str, Any]]
    kind: str
    taken: tuple[Any, dict[str, Any]] | None


ROWS = [
    Row("require_converse", True, ("x", {}), "prompt", (Text("x", role="user"), {})),
    Row(
        "allow_agent_duplication",
        False,
        ("x", {"context": Context(explanation="be another")}),
        "json",
        ("x", {}),
    ),
    Row("allow_custom_context", False, ("x", {"context": CONTEXT}), "context", ("x", {})),
    Row("allow_custom_json", False, (1, {"options": Options(input_schema={})}), "json", (1, {})),
    Row(
        "accepted_content", ["text"], (Blob(b"x", media_type="image/png"), {}), "content", ("x", {})
    ),
    Row("max_tokens", 2, ("one two three four five", {}), "prompt", ("one", {})),
    Row("max_request_bytes", 1024, ("x" * 2000, {}), "too_large", ("x", {})),
    Row("max_binary_bytes", 2, (Blob(b"123"), {}), "too_large", (Blob(b"12"), {})),
    Row(
        "allow_multi_page_context",
        False,
        ("x", {"context": PAGES}),
        "context",
        ("x", {"context": CONTEXT}),
    ),
    Row("allowed_callers", {"groups": ["chosen"]}, ("x", {}), "denied", None),
    Row("allowed_callers", {"agentIds": [OTHER]}, ("x", {}), "denied", None),
    Row("auth", hubless.SharedSecret("s"), ("x", {}), "auth", None),
]


async def guarded(
    node: hubless.Node, rules: Requirements, **how: Any
) -> tuple[hubless.Agent, list[int]]:
    runs: list[int] = []

    async def gate(content: Content) -> str:
        runs.append(1)
        return "in"

    return await node.register(gate, requirements=rules, **how), runs


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.field)
async def test_requirement_refuses_and_takes(node: hubless.Node, row: Row) -> None:
    _, runs = await guarded(node, Requirements(**{row.field: row.value}))
    given, how = row.refused
    with pytest.raises(hubless.Rejected) as raised:
        await node.request("gate", given, **how)
    assert raised.value.kind == row.kind
    assert runs == []
    if row.taken is not None:
        given, how = row.taken
        assert (await node.request("gate", given, **how)).value == "in"
        assert runs == [1]


async def test_callers_of_the_list_are_taken(node: hubless.Node) -> None:
    _, runs = await guarded(node, Requirements(allowed_callers={"principals": ["*"]}))
    assert (await node.request("gate", "x")).value == "in"
    assert runs == [1]


async def test_beyond_its_rate_an_agent_is_busy_and_says_until_when(node: hubless.Node) -> None:
    _, runs = await guarded(node, Requirements(rate_per_s=0.01, rate_burst=2))
    for _ in range(2):
        await node.request("gate", "x")
    with pytest.raises(errors.BusyError) as raised:
        await node.request("gate", "x")
    assert raised.value.code == "rate"
    assert isinstance(raised.value.retry, float) and raised.value.retry > 1
    assert len(runs) == 2


async def test_reentrant_calls_are_a_cycle_where_they_are_not_allowed(node: hubless.Node) -> None:
    async def deeper(n: int, ctx: hubless.Call) -> str:
        if n == 0:
            return "end"
        return str((await ctx.node.request(ctx.agent.name, n=n - 1)).value)

    await node.register(deeper, name="often")
    await node.register(deeper, name="once", requirements=Requirements(reentrant=False))
    assert (await node.request("often", n=2)).value == "end"
    with pytest.raises(errors.CycleError):
        await node.request("once", n=2)


@pytest.mark.parametrize(
    ("policy", "kind"),
    [({"maxRetentionS": 1}, "denied"), ({"maxRetentionS": 86_400, "noRecording": True}, None)],
)
async def test_data_policy(node: hubless.Node, policy: dict[str, Any], kind: str | None) -> None:
    _, runs = await guarded(node, Requirements())
    options = Options(data_policy=policy)
    if kind is None:
        assert (await node.request("gate", "x", options=options)).value == "in"
        return
    with pytest.raises(hubless.Error) as raised:
        await node.request("gate", "x", options=options)
    assert (raised.value.kind, runs) == (kind, [])


async def test_agents_are_found_and_asked_in_the_zones_of_their_node() -> None:
    async with hubless.Node.start(memory_only=True, zones=["eu", "on-prem"]) as node:
        _, runs = await guarded(node, Requirements())
        assert await node.find(hubless.Query(zone="us"), wait=0) == []
        found = await node.find(hubless.Query(zone="eu"), wait=0)
        assert [one.name for one in found] == ["gate"]
        with pytest.raises(errors.CallDeniedError) as raised:
            options = Options(data_policy={"zonesAllowed": ["us"]})
            await node.request("gate", "x", options=options)
        assert (raised.value.field, runs) == ("dataPolicy.zonesAllowed", [])
        options = Options(data_policy={"zonesAllowed": ["us", "eu"]})
        assert (await node.request("gate", "x", options=options)).value == "in"
    with pytest.raises(errors.InvalidArgumentError) as wrong:
        await hubless.Node.start(memory_only=True, zones=[""])
    assert wrong.value.field == "zones"


async def test_a_node_says_its_relays_and_refuses_what_is_none() -> None:
    # Nobody is there: the node goes on without it.
    relays = ["http://127.0.0.1:9"]
    async with hubless.Node.start(memory_only=True, relays=relays) as node:
        assert (await node.status())["relays"] == relays
        await guarded(node, Requirements())
        assert (await node.request("gate", "x")).value == "in"
    many = [f"http://127.0.0.1:{port}" for port in range(1, 6)]
    for wrong in (["ftp://relay.example"], many):
        with pytest.raises(errors.InvalidArgumentError) as refused:
            await hubless.Node.start(memory_only=True, relays=wrong)
        assert refused.value.field == "relays"


async def test_who_records_refuses_what_must_not_be_recorded(node: hubless.Node) -> None:
    records = hubless.Descriptor(records_prompt_content=True)
    _, runs = await guarded(node, Requirements(), descriptor=records)
    options = Options(data_policy={"noRecording": True})
    with pytest.raises(errors.CallDeniedError) as raised:
        await node.request("gate", "x", options=options)
    assert (raised.value.field, runs) == ("dataPolicy.noRecording", [])


async def test_the_nodes_own_mechanism_counts_where_an_agent_has_none(
    node: hubless.Node,
) -> None:
    own = Requirements(auth=hubless.SharedSecret("its own"))
    _, runs = await guarded(node, Requirements())
    _, own_runs = await guarded(node, own, name="vault")

    async def lets_in(request: hubless.AuthRequest) -> bool:
        return request.credential == "the node's"

    def given(secret: str) -> Options:
        return Options(auth=hubless.Credential(secret))

    for mechanism in (hubless.SharedSecret("the node's"), lets_in):
        runs.clear()
        own_runs.clear()
        await node.set_auth(mechanism)
        for options in (Options(), given("its own")):
            with pytest.raises(errors.AuthError):
                await node.request("gate", "x", options=options)
        with pytest.raises(errors.AuthError):
            await node.request("vault", "x", options=given("the node's"))
        assert (runs, own_runs) == ([], [])
        assert (await node.request("gate", "x", options=given("the node's"))).value == "in"
        assert (await node.request("vault", "x", options=given("its own"))).value == "in"
        assert (runs, own_runs) == ([1], [1])
    await node.set_auth(None)
    assert (await node.request("gate", "x")).value == "in"


async def test_one_key_serves_two_names_only_where_both_allow_it(node: hubless.Node) -> None:
    rules = Requirements(allow_agent_duplication=True)
    first, _ = await guarded(node, rules, name="first", identity="twins")
    with pytest.raises(errors.ConflictError):
        await guarded(node, Requirements(), name="second", identity="twins")
    third, _ = await guarded(node, rules, name="third", identity="twins")
    assert first.id == third.id


async def test_misspelt_requirement_is_refused_by_the_core(node: hubless.Node) -> None:
    """What is sent under a name that the contract does not have is not ignored."""
    with pytest.raises(errors.InvalidArgumentError) as raised:
        await guarded(node, Requirements(allowed_callers={"grps": ["x"]}))
    assert "grps" in f"{raised.value.field} {raised.value.message}"
