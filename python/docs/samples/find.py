import asyncio

import hubless


async def rate(pair: str) -> float:
    """Exchange rate of a pair of currencies."""
    return 1.0862


async def forecast(city: str) -> str:
    """Weather of tomorrow in a city."""
    return f"sunny in {city}"


async def main() -> None:
    async with hubless.Node.start() as node:
        await node.register(rate, skill=hubless.Skill(attributes={"pair": ["EUR/USD"]}))
        await node.register(forecast, tags=["outdoors"])
        pair = hubless.where("attributes.pair").contains("EUR/USD")
        print("by words:", *[peer.name for peer in await node.find("exchange rate")])
        print("by tag:", *[peer.name for peer in await node.find(tags=["outdoors"])])
        print("by fact:", *[peer.name for peer in await node.find(filter=pair)])


asyncio.run(main())
