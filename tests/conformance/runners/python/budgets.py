"""Budgets in cases: the switch that a case has, and the agents that spend."""

import asyncio
import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

import hubless
from hubless import Call

# How long what must come may take: another process may stand still for seconds.
PATIENCE_MS = 20_000
COMPONENTS = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "costMicros": "cost_micros",
    "calls": "calls",
}
TERMS = {
    **COMPONENTS,
    "depth": "depth",
    "fanOut": "fan_out",
    "unlimited": "unlimited",
    "strict": "strict",
}
SECONDS = {"wallTimeMs": "wall_time", "leaseMs": "lease"}
SPENT = {"inputTokens": "input", "outputTokens": "output", "costMicros": "cost"}


def renamed(record: dict[str, Any], names: dict[str, str], before: str = "") -> dict[str, Any]:
    return {before + names[name]: value for name, value in record.items()}


def amounts_of(record: dict[str, Any]) -> hubless.Amounts:
    return hubless.Amounts(**renamed(record, COMPONENTS))


def said(amounts: hubless.Amounts) -> dict[str, int | None]:
    return {name: getattr(amounts, ours) for name, ours in COMPONENTS.items()}


def usage_of(usage: hubless.Usage) -> dict[str, Any]:
    amounts = {name: getattr(usage, ours) for name, ours in COMPONENTS.items()}
    return {**amounts, "chargedInFull": usage.charged_in_full}


class Switched:
    """Is the switch of one case, and how often it was told to have tripped."""

    def __init__(self, terms: dict[str, Any], patience_ms: int) -> None:
        self.patience_ms = patience_ms
        given = {TERMS[name]: value for name, value in terms.items() if name in TERMS}
        given |= {SECONDS[name]: terms[name] / 1000 for name in terms if name in SECONDS}
        if "soft" in terms:
            given["soft"] = amounts_of(terms["soft"])
        self.switch = hubless.KillSwitch(**given)
        self.told = 0
        self.switch.on_tripped(self._told)

    def _told(self, _: hubless.Stop) -> None:
        self.told += 1

    def shown(self) -> dict[str, Any]:
        stop = self.switch.stop
        return {
            "spent": said(self.switch.spent),
            "remaining": said(self.switch.remaining),
            "overrun": said(self.switch.overrun),
            "state": self.switch.state,
            "reason": stop.reason if stop is not None else None,
            "tripped": self.told,
        }


async def settled(holds: Any, patience_ms: int) -> bool:
    """Says whether something comes to hold: a callee's last word may come after its answer."""
    until = time.monotonic() + patience_ms / 1000
    while not holds():
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.02)
    return True


async def spender(
    most: dict[str, Any], used: dict[str, Any] | None = None, times: int = 1, *, ctx: Call
) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as spendings:
        for _ in range(times):
            spend = await spendings.enter_async_context(ctx.spend(**renamed(most, SPENT, "max_")))
            if used is not None:
                spend.used(**renamed(used, SPENT))
        # Those without a word stay open.
        spendings.pop_all()
    return {"spent": times, "granted": None if ctx.granted is None else said(ctx.granted)}


ASKED = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}


def _posted(provider: hubless.Provider) -> int:
    head = {"authorization": f"Bearer {provider.api_key}", "content-type": "application/json"}
    url = f"{provider.base_url}/chat/completions"
    request = urllib.request.Request(url, json.dumps(ASKED).encode(), head)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            response.read()
            return int(response.status)
    except urllib.error.HTTPError as refused:
        return int(refused.code)


async def metered(most: dict[str, Any], times: int = 1, *, ctx: Call) -> dict[str, Any]:
    provider = await ctx.provider(**renamed(most, SPENT, "max_"))
    answered, status = 0, 200
    while status == 200 and answered < times:
        status = await asyncio.to_thread(_posted, provider)
        answered += status == 200
    return {"answered": answered, "status": status}


async def needy(*, ctx: Call) -> str:
    async with ctx.spend():
        return "ok"


async def hand_on(to: Sequence[str], value: Any, *, ctx: Call) -> Any:
    first, *others = to
    async with ctx.spend():
        asked = {"to": others, "value": value} if others else value
        return (await ctx.node.request(first, asked, options=hubless.Options(wait=20))).value
