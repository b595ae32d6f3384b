import asyncio

import hubless


async def ledger() -> str:
    return "every booking"


async def noticeboard() -> str:
    return "every notice"


async def main() -> None:
    alice = hubless.Requirements(allowed_callers={"principals": ["http:token:alice"]})
    everybody = hubless.Requirements(allowed_callers={"principals": ["*"]})
    async with hubless.Node.start() as node:
        await node.register(ledger, requirements=alice)
        await node.register(noticeboard, requirements=everybody)
        try:
            await node.request("ledger")
        except hubless.errors.CallDeniedError as error:
            print(f"{error.kind}/{error.code}: {error.message}")
        print((await node.request("noticeboard")).value)


asyncio.run(main())
