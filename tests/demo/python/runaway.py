"""The runaway's Python part, and the one who asks; see `tests/demo/RUNAWAY.md`."""

import argparse
import asyncio
import itertools
import json
import sys
import threading
import time
from typing import Any

import hubless
from hubless import Call, Content, Skill

LANGUAGES = ("python", "node", "kotlin", "c")
NEXT = "node.runaway"
FEW = 4
# Between two tries while everything is set aside.
PAUSE_SECONDS = 0.005
LINE = threading.Lock()


def tell(event: str, **fields: Any) -> None:
    # What the switch says comes from a thread of its own.
    with LINE:
        print(json.dumps({"event": event, "at_ms": time.time() * 1000, **fields}), flush=True)


class Provider:
    """Is the socket of the provider, one question at a time."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def write(self, most: int) -> int:
        """Gives the number of tokens that it wrote."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"python {most}\n".encode())
            return int(await reader.readline())
        finally:
            writer.close()


async def on(call: Call) -> None:
    """Calls the next one; that there is nothing left for it is no reason to stop."""
    try:
        await call.node.request(NEXT)
    except hubless.Error as error:
        if error.kind != "budget_exhausted":
            raise


async def watch(_: Content) -> None:
    tell("watching")
    try:
        await asyncio.Event().wait()
    finally:
        tell("stopped")


class Runaway:
    """Asks again and again until a switch stops it."""

    def __init__(self, node: hubless.Node, output_tokens: int) -> None:
        self.node = node
        self.switch = hubless.KillSwitch(output_tokens=output_tokens)
        self.switch.on_tripped(self.tripped)
        self.asked = 0

    @staticmethod
    def tripped(stop: hubless.Stop) -> None:
        tell("tripped", reason=stop.reason, by=stop.by, stop_ms=round(stop.at * 1000))

    async def run(self) -> None:
        with self.switch:
            watched = [self.request(f"{language}.watcher") for language in LANGUAGES]
            asking = [self.again(f"{language}.runaway") for language in LANGUAGES]
            await asyncio.gather(*watched, *asking)
        spent, left = self.switch.spent, self.switch.remaining
        tell("done", spent=spent.output_tokens, remaining=left.output_tokens, asked=self.asked)

    async def again(self, name: str) -> None:
        while await self.request(name):
            await asyncio.sleep(PAUSE_SECONDS)

    async def request(self, name: str) -> bool:
        """Says whether to go on."""
        self.asked += 1
        try:
            await self.node.request(name)
        except hubless.Error as error:
            if error.kind == "killed":
                return False
            if error.kind != "budget_exhausted":
                raise
        return True


class Chain:
    """Is one call of the first agent under a switch of its own."""

    def __init__(self, node: hubless.Node, output_tokens: int) -> None:
        self.switch = hubless.KillSwitch(output_tokens=output_tokens)
        with self.switch:
            self.asked = asyncio.create_task(self.ask(node))

    @staticmethod
    async def ask(node: hubless.Node) -> None:
        try:
            await node.request("python.runaway")
        except hubless.Error as error:
            if error.kind not in ("killed", "budget_exhausted"):
                raise

    async def trip(self) -> None:
        at = time.time()
        self.switch.trip("operator")
        await self.asked
        tell("ended", stop_us=round(at * 1e6))

    async def finish(self) -> None:
        await self.asked
        tell("ended", stop_us=round(time.time() * 1e6))


async def commands(node: hubless.Node) -> None:
    """Takes lines from stdin until it closes."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        # A daemon thread: a read that waits for ever must not hold the end of the program.
        for line in itertools.chain(sys.stdin, [""]):
            loop.call_soon_threadsafe(lines.put_nowait, line)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    chain: Chain | None = None
    while line := await lines.get():
        verb, _, rest = line.strip().partition(" ")
        try:
            if verb == "run":
                await Runaway(node, json.loads(rest)["outputTokens"]).run()
            elif verb == "begin":
                chain = Chain(node, json.loads(rest)["outputTokens"])
            elif verb == "trip" and chain:
                await chain.trip()
            elif verb == "finish" and chain:
                await chain.finish()
        except hubless.Error as error:
            tell("failed", error=str(error))


async def main(port: int) -> None:
    provider = Provider(port)

    async def think(_: Content, *, ctx: Call) -> None:
        granted = ctx.granted
        if granted is None or granted.output_tokens is None:
            raise hubless.errors.of_kind("budget_exhausted", "expected a budget of tokens")
        left = granted.output_tokens
        most = left if left <= FEW else left // 4
        async with ctx.spend(max_output=most) as spend:
            spend.used(output=await provider.write(most))
        if left > FEW:
            await asyncio.gather(on(ctx), on(ctx))

    async with hubless.Node.start() as node:
        wide = hubless.Requirements(max_concurrency=1024)
        thinking = Skill(id="think", spends="tokens")
        await node.register(think, name="python.runaway", skill=thinking, requirements=wide)
        await node.register(watch, name="python.watcher", skill=Skill(id="watch", spends="none"))
        tell("ready")
        await commands(node)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--provider", type=int, required=True)
    asyncio.run(main(arguments.parse_args().provider))
