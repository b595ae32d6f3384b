"""Base URL and key of a node's gateway in handlers; nobody listens there."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

import hubless
from hubless import Call, KillSwitch, Provider, ThreadCall, errors

URL = "http://127.0.0.1:9/v1"
# A key of a root whose seed is 32 times 1.
KEY = "hbl_A4qI4910CfGV_VLbLTy6XXLKZwm_HZQSG_N0iAG0D29c" + "AQEB" * 10 + "AQE"


async def test_a_handler_gets_base_url_and_key_paid_from_its_grant() -> None:
    given: list[Provider] = []
    async with hubless.Node.start(gateway=URL, gateway_key=KEY) as node:

        @node.agent
        async def think(ctx: Call) -> None:
            given.append(await ctx.provider(max_cost=40))

        @node.agent
        def blocks(ctx: ThreadCall) -> None:
            given.append(ctx.provider())

        with KillSwitch(cost_micros=4_000) as switch:
            first = await node.request("think")
            second = await node.request("blocks")
        assert (first.usage.cost_micros, first.usage.charged_in_full) == (40, False)
        # A quarter of the grant, which is a quarter of what is left.
        assert second.usage.cost_micros == 247
        assert switch.spent.cost_micros == 287
    for one in given:
        assert (one.base_url, one.api_key[:4]) == (URL, "hbl_")
        assert one.api_key not in repr(one)
        left = one.expires - datetime.now(timezone.utc)
        assert timedelta(0) < left <= timedelta(minutes=10)
    assert len({KEY, *(one.api_key for one in given)}) == 3


async def test_each_component_is_set_aside_by_itself() -> None:
    async with hubless.Node.start(gateway=URL, gateway_key=KEY) as node:

        @node.agent
        async def think(ctx: Call) -> None:
            with pytest.raises(errors.BudgetExhaustedError) as much:
                await ctx.provider(max_input=201)
            assert much.value.code == "input_exceeded"
            for name, field in (("max_input", "maxInput"), ("max_output", "maxOutput")):
                with pytest.raises(errors.InvalidArgumentError) as negative:
                    await ctx.provider(**{name: -1})
                assert (negative.value.field, negative.value.code) == (field, "amount")
            await ctx.provider(max_input=30, max_output=0)

        @node.agent
        def blocks(ctx: ThreadCall) -> None:
            ctx.provider(max_input=30, max_output=20, max_cost=10)

        # Nobody listens there: all that is set aside is charged.
        for agent, taken in {"think": (30, 0, 250), "blocks": (30, 20, 10)}.items():
            with KillSwitch(input_tokens=800, output_tokens=400, cost_micros=4_000) as switch:
                usage = (await node.request(agent)).usage
            assert (usage.input_tokens, usage.output_tokens, usage.cost_micros) == taken
            spent = switch.spent
            assert (spent.input_tokens, spent.output_tokens, spent.cost_micros) == taken


async def test_what_is_missing_is_said(node: hubless.Node) -> None:
    @node.agent
    async def think(most: int, ctx: Call) -> None:
        await ctx.provider(max_cost=most)

    with pytest.raises(errors.ConfigurationError) as none:
        await node.request("think", most=1)
    assert none.value.code == "no_budget"
    with KillSwitch(cost_micros=400):
        with pytest.raises(errors.ConfigurationError) as unnamed:
            await node.request("think", most=1)
        assert unnamed.value.code == "no_gateway"
        with pytest.raises(errors.InvalidArgumentError) as negative:
            await node.request("think", most=-1)
        assert (negative.value.field, negative.value.code) == ("maxCost", "amount")


async def test_a_gateway_where_others_listen_in_is_refused() -> None:
    with pytest.raises(errors.InvalidArgumentError) as wrong:
        await hubless.Node.start(gateway="http://10.0.0.1/v1", gateway_key=KEY)
    assert wrong.value.field == "gateway"


async def test_a_refund_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(errors.InvalidArgumentError) as unknown:
        await hubless.Node.start(refund="always")
    assert unknown.value.field == "refund"
    with pytest.raises(errors.InvalidArgumentError) as twice:
        await hubless.Node.start(refund="member=never,member=signed")
    assert twice.value.field == "refund"
    with pytest.raises(errors.ConfigurationError) as unsigned:
        await hubless.Node.start(gateway=URL, gateway_key=KEY, refund="provider")
    assert unsigned.value.code == "no_gateway"
    with pytest.raises(errors.InvalidArgumentError) as signer:
        await hubless.Node.start(gateway=URL, gateway_key=KEY, gateway_signer="x")
    assert signer.value.field == "gatewaySigner"
