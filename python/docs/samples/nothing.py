import asyncio

import hubless


async def translate(text: str) -> str:
    """Translates a text into French."""
    return f"{text}, en français"


async def main() -> None:
    async with hubless.Node.start() as node:
        print(len(await node.find("translates french", wait=0)), "found")
        try:
            await node.peer("translates french", wait=0)
        except hubless.errors.NotFoundError as error:
            print(f"{error.kind}: {error.message}")
        await node.register(translate)
        print(len(await node.find("translates french")), "found")


asyncio.run(main())
