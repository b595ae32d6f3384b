"""The chain's Python part; see ``tests/chaos/CHAOS.md``."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
from typing import Any

import hubless
from hubless import Amounts, Call, Content, Options, Skill

# The next one may be starting again.
WAIT_SECONDS = 3.0


class Paying:
    """Is one handler's connection to the provider; says at its end that it ended."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def __aenter__(self) -> Paying:
        self.reader, self.writer = await asyncio.open_unix_connection(self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.write(b"done\n")
        self.writer.close()

    async def ask(self, *words: object) -> list[str]:
        self.writer.write((" ".join(map(str, words)) + "\n").encode())
        return (await self.reader.readline()).decode().split()


async def on(call: Call, after: dict[str, Any]) -> int:
    """Calls the next one and gives how many answered; it may be dead, or there may be too little.

    What it is granted is what the caller of the first one said.
    """
    given = after["max"]
    most = Amounts(given["inputTokens"], given["outputTokens"], calls=given["calls"])
    options = Options(max=most, wait=WAIT_SECONDS)
    try:
        reply = await call.node.request(after["to"], after["content"], options=options)
    except hubless.Error as error:
        if error.kind == "killed":
            raise
        return 0
    return int(reply.value)


async def main(socket: str) -> None:
    async def link(content: Content, *, ctx: Call) -> int:
        asked: dict[str, Any] = content.value
        granted = ctx.granted
        if granted is None:
            raise hubless.errors.of_kind("budget_exhausted", "expected a budget")
        most_in = min(asked["input"], granted.input_tokens or 0)
        most_out = min(asked["output"], granted.output_tokens or 0)
        async with Paying(socket) as paying:
            await paying.ask("call", "python", asked["label"])
            async with ctx.spend(max_input=most_in, max_output=most_out) as spend:
                took = await paying.ask("spend", most_in, most_out)
                spend.used(input=int(took[0]), output=int(took[1]))
            after = asked.get("next")
            return 1 + (await on(ctx, after) if after else 0)

    async with hubless.Node.start("python") as node:
        wide = hubless.Requirements(max_concurrency=1024)
        spending = Skill(id="link", spends="tokens")
        await node.register(link, name="python.link", skill=spending, requirements=wide)
        print(json.dumps({"event": "ready"}), flush=True)
        await stdin_ends()


async def stdin_ends() -> None:
    """Waits for the end of stdin."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        # A daemon thread: a read that waits for ever must not hold the end of the program.
        sys.stdin.read()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    await over.wait()



if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--provider", required=True)
    asyncio.run(main(arguments.parse_args().provider))
