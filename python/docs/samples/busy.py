import asyncio

import hubless


async def main() -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def draw() -> str:
        begun.set()
        await over.wait()
        return "drawn"

    async with hubless.Node.start() as node:
        await node.register(draw, requirements=hubless.Requirements(max_concurrency=1, queue=0))
        first = asyncio.create_task(node.request("draw"))
        await begun.wait()
        try:
            await node.request("draw")
        except hubless.errors.BusyError as error:
            print(f"{error.kind}/{error.code}: {error.message}")
            print("again after some time:", "yes" if error.retry != "never" else "no")
        over.set()
        await first
        again = hubless.Options(effect="PURE", retry=hubless.Retry(3, on=["busy"]))
        print((await node.request("draw", options=again)).value)


asyncio.run(main())
