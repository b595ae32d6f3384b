"""The demo's maker: an agent that makes a weather report with agents it finds.

Events as `tests/demo/DEMO.md` says: JSON lines on stdout, logs on stderr, `ask <json>` on stdin.
"""

import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, TypedDict

import charts
import figures
import report

import hubless
from hubless import Blob, Call, Data, Peer, Skill


def process_start() -> float:
    """Gives when this process began, imports included, on the clock of `time.monotonic`."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic() - (up - ticks / os.sysconf("SC_CLK_TCK"))


STARTED = process_start()
TEXTS = {
    "digest_table": "digest a CSV table: its size, its hash, sums and bounds of its columns",
    "render_chart": "render a Vega-Lite chart to SVG",
    "check_figures": "check the figures of a report exactly against its table",
}
FIND_SECONDS = 10.0
COMMANDS = 16
LOST = ("transport", "unknown_outcome")


class Result(TypedDict):
    report: str
    figures: dict[str, Any]
    check: dict[str, Any]
    digest: dict[str, Any]
    charts: int
    failovers: int


def tell(event: str, **fields: Any) -> None:
    line = {"event": event, "t_ms": round((time.monotonic() - STARTED) * 1000), **fields}
    print(json.dumps(line, ensure_ascii=False), flush=True)


def since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 2)


class Work:
    """Is one report being made: who was found, who was lost."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.node = call.node
        self.peers: dict[str, Peer] = {}
        self.lost: list[Peer] = []
        self.credits: list[dict[str, str]] = []

    # failover-begin
    async def ask(self, skill: str, value: Any, **shown: Any) -> Any:
        while True:
            peer = self.peers.get(skill) or await self.find(skill, exclude=self.lost)
            try:
                return await self.request(peer, skill, value, **shown)
            except hubless.Error as error:
                if error.kind not in LOST:
                    raise
                self.lost.append(self.gone(peer, skill, error))

    # failover-end

    async def find(self, skill: str, exclude: list[Peer]) -> Peer:
        began = time.monotonic()
        peer = await self.node.peer(TEXTS[skill], skill=skill, exclude=exclude, wait=FIND_SECONDS)
        who = {"agent": peer.name, "address": peer.address, "nodeKey": peer.node_key}
        score = {"score": peer.score, "path": peer.path, "ms": since(began)}
        tell("found", skill=skill, **who, language=language_of(peer, skill), **score)
        self.peers[skill] = peer
        return peer

    async def request(self, peer: Peer, skill: str, value: Any, **shown: Any) -> Any:
        began = time.monotonic()
        tell("calling", skill=skill, agent=peer.name, nodeKey=peer.node_key, **shown)
        reply = await peer.request(value, skill=skill)
        sizes = {"bytesOut": size_of(value), "bytesIn": size_of(reply.value)}
        tell(
            "answered",
            skill=skill,
            agent=peer.name,
            path=reply.path,
            ms=since(began),
            **sizes,
        )
        what = f"{skill}: {shown['chart']}" if shown else skill
        who = {"name": peer.name, "address": peer.address}
        self.credits.append({"what": what, "language": language_of(peer, skill), **who})
        return reply.value

    def gone(self, peer: Peer, skill: str, error: hubless.Error) -> Peer:
        del self.peers[skill]
        tell("lost", skill=skill, agent=peer.name, nodeKey=peer.node_key, kind=error.kind)
        return peer

    async def draw(self, specs: dict[str, dict[str, Any]]) -> dict[str, str]:
        drawn: dict[str, str] = {}
        for number, (title, spec) in enumerate(specs.items()):
            await self.call.progress(f"drawing: {title}", 0.3 + 0.1 * number)
            answer = await self.ask("render_chart", {"spec": spec}, chart=title)
            drawn[title] = answer["svg"]
        return drawn


def language_of(peer: Peer, skill: str) -> str:
    """Gives what an agent says of itself in an attribute of its skill."""
    facts = (one.get("attributes", {}) for one in peer.skills if one["id"] == skill)
    return str(next(facts, {}).get("language", ""))


def size_of(value: Any) -> int:
    if isinstance(value, Blob):
        return len(value.data or b"")
    if isinstance(value, Data):
        value = value.data
    if isinstance(value, list):
        return sum(size_of(part) for part in value)
    return len(json.dumps(value, ensure_ascii=False).encode())


async def weather_report(out: str, *, ctx: Call) -> Result:
    """Makes a report of the weather in Seattle, with charts, checked by another agent."""
    began, work = time.monotonic(), Work(ctx)
    csv = await asyncio.to_thread(figures.table)
    frame = await asyncio.to_thread(figures.read, csv)
    found = await asyncio.to_thread(figures.compute, frame)
    await ctx.progress(f"read {len(frame)} days", 0.1)
    table = Blob(csv, media_type="text/csv", filename="seattle-weather.csv")
    digest = await work.ask("digest_table", table)
    await ctx.progress("digested", 0.2)
    drawn = await work.draw(charts.specifications(found, frame))
    check = await work.ask("check_figures", [Data({"figures": found}), table])
    await ctx.progress("checked", 0.9)
    verdicts = [*figures.disagreements(frame, digest), *mismatches(check)]
    path = Path(out) / "report.html"
    await asyncio.to_thread(write, path, report.page(found, drawn, verdicts, digest, work.credits))
    caller = ctx.caller.agent or ctx.caller.principal
    tell("served", skill="weather_report", caller=caller, ms=since(began))
    if verdicts:
        raise ValueError(f"the figures do not agree, see {path}: {verdicts[0]}")
    return {
        "report": str(path),
        "figures": found,
        "check": check,
        "digest": digest,
        "charts": len(drawn),
        "failovers": len(work.lost),
    }


def mismatches(check: dict[str, Any]) -> list[str]:
    listed = check.get("mismatches") or []
    if check.get("ok") is True and not listed:
        return []
    return [f"check: {json.dumps(one)}" for one in listed] or ["check: not ok"]


def write(path: Path, html: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, "utf-8")


async def ask_for(node: hubless.Node, arguments: dict[str, Any]) -> None:
    """Asks for the report as any other caller would."""
    began = time.monotonic()
    try:
        stream = node.stream("weather-report", arguments, timeout=120)
        async for event in stream.events():
            if isinstance(event, hubless.Progress):
                tell("progress", note=event.note, fraction=event.fraction)
        tell("done", result=stream.reply.value, ms=since(began))
    except hubless.Error as error:
        record = {"kind": error.kind, "code": error.code, "message": error.message}
        tell("failed", error=record, ms=since(began))


async def commands(node: hubless.Node) -> None:
    """Takes lines from stdin until it closes."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str](COMMANDS)

    def read() -> None:
        # A daemon thread: a read that waits for ever must not hold the end of the program.
        for line in iter(sys.stdin.readline, ""):
            asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
        asyncio.run_coroutine_threadsafe(lines.put(""), loop).result()

    threading.Thread(target=read, name="stdin", daemon=True).start()
    tasks: set[asyncio.Task[None]] = set()
    while line := await lines.get():
        verb, _, rest = line.strip().partition(" ")
        if verb == "ask":
            task = asyncio.create_task(ask_for(node, json.loads(rest)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


def register(node: hubless.Node) -> hubless.Agent:
    skill = Skill(effect="IDEMPOTENT", tags=["report", "weather"])
    return node.register(
        weather_report, name="weather-report", tags=["report", "weather"], skill=skill
    )


async def main() -> None:
    async with hubless.Node.start() as node:
        agent = await register(node)
        who = {"name": agent.name, "address": agent.address, "nodeKey": node.node_key}
        tell("ready", language="python", **who, pid=os.getpid())
        serving = [asyncio.create_task(node.serve()), asyncio.create_task(commands(node))]
        await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
        for task in serving:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
