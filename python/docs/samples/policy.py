import asyncio

import hubless


async def vault(text: str, /) -> str:
    return f"kept {text}"


async def refusal(node: hubless.Node, text: str, options: hubless.Options) -> str:
    try:
        return (await node.request("vault", text, options=options)).value
    except hubless.Rejected as refused:
        return f"{refused.kind}"


async def main() -> None:
    rules = hubless.Requirements(auth=hubless.SharedSecret("letmein"), max_tokens=20)
    key = hubless.Options(auth=hubless.Credential("letmein", scheme="shared_secret"))
    async with hubless.Node.start() as node:
        await node.register(vault, requirements=rules)
        print("with the secret:", await refusal(node, "gold", key))
        print("without it:", await refusal(node, "gold", hubless.Options()))
        print("too long:", await refusal(node, "gold " * 50, key))


asyncio.run(main())
