"""Requests: content, blobs, tools, questions, refusals, options."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from programs import knows

import hubless
from hubless import (
    Blob,
    Call,
    Content,
    Options,
    Requirements,
    SharedSecret,
    Text,
    _core,
    errors,
)

# A busy machine may stand still for seconds.
PATIENCE_SECONDS = 20
SIZE = 3_000_000
PARTS = ["Text", "Blob", "Text"]


def pattern(size: int) -> bytes:
    return bytes(range(251)) * (size // 251) + bytes(range(size % 251))


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 100_000):
        yield data[start : start + 100_000]


@pytest.mark.parametrize("size", [0, 1000, 64 * 1024, 64 * 1024 + 1, SIZE])
async def test_blob_in_memory(node: hubless.Node, size: int) -> None:
    @node.agent
    async def digest(blob: Blob) -> dict[str, Any]:
        data = await blob.bytes()
        return {"sha256": hashlib.sha256(data).hexdigest(), "type": blob.media_type}

    blob = Blob(pattern(size), media_type="image/png", filename="x.png")
    value = (await node.request("digest", blob)).value
    assert value == {"sha256": hashlib.sha256(pattern(size)).hexdigest(), "type": "image/png"}


async def test_blob_streams_both_ways(node: hubless.Node) -> None:
    @node.agent
    async def back(content: Content) -> Content:
        assert content.blob.data is None
        return content

    data = pattern(SIZE)
    async with hubless.Node.start() as other:
        await knows(other, "back")
        reply = await other.request("back", Blob(source=pieces(data), size=SIZE))
        assert reply.content.blob.data is None
        assert await reply.content.blob.bytes() == data
        with pytest.raises(errors.ContentError):
            reply = await other.request("back", Blob(source=pieces(data)))
            _ = [piece async for piece in reply.content.blob.reader()]
            await reply.content.blob.bytes()


async def test_blob_from_a_file(node: hubless.Node, tmp_path: Path) -> None:
    @node.agent
    async def size(blob: Blob) -> int:
        return sum([len(piece) async for piece in blob.reader()])

    path = tmp_path / "big"
    path.write_bytes(pattern(SIZE))
    with path.open("rb") as file:
        assert (await node.request("size", Blob(source=file))).value == SIZE


async def test_source_that_fails_fails_the_call(node: hubless.Node) -> None:
    @node.agent
    async def size(blob: Blob) -> int:
        return sum([len(piece) async for piece in blob.reader()])

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        raise OSError("disk gone")

    with pytest.raises((hubless.Error, OSError)):
        await asyncio.wait_for(node.request("size", Blob(source=broken())), 10)


async def test_unread_blob_is_let_go(node: hubless.Node) -> None:
    @node.agent
    async def ignores(content: Content) -> str:
        return "ok"

    blob = Blob(source=pieces(pattern(SIZE)))
    assert (await asyncio.wait_for(node.request("ignores", blob), 10)).value == "ok"


async def test_wrong_digest_is_refused(node: hubless.Node) -> None:
    @node.agent
    async def size(blob: Blob) -> int:
        return len(await blob.bytes())

    blob = Blob(source=pieces(pattern(SIZE)), size=SIZE, sha256="00" * 32)
    with pytest.raises(hubless.Error) as raised:
        await node.request("size", blob)
    assert raised.value.kind == "content"


async def test_tools_are_called_back(node: hubless.Node) -> None:
    called: list[str] = []

    def add(a: int, b: int) -> int:
        """Adds."""
        called.append("add")
        return a + b

    async def fails() -> None:
        raise RuntimeError("no ink")

    @node.agent
    async def works(ctx: Call) -> dict[str, Any]:
        names = sorted(tool["name"] for tool in ctx.tools)
        total = await ctx.call_tool("add", {"a": 1, "b": 2})
        problems = []
        for name, arguments in (("add", {"a": "x"}), ("fails", {}), ("nothing", {})):
            try:
                await ctx.call_tool(name, arguments)
            except hubless.Error as error:
                problems.append(error.kind)
        return {"names": names, "total": total, "problems": problems}

    value = (await node.request("works", tools=[add, fails])).value
    assert value["names"] == ["add", "fails"]
    assert value["total"] == 3
    assert value["problems"] == ["json", "handler_failed", "denied"]
    assert called == ["add"]
    stream = node.stream("works", tools=[add, fails])
    assert [event async for event in stream.events()]
    assert stream.reply.value["total"] == 3


async def test_callee_asks_back(node: hubless.Node) -> None:
    @node.agent
    async def asks(ctx: Call) -> Any:
        return {"got": await ctx.input("which?", {"type": "string"})}

    async def answer(prompt: Content) -> str:
        assert prompt.text == "which?"
        return "this"

    assert (await node.request("asks", options=Options(on_input=answer))).value == {"got": "this"}
    with pytest.raises(hubless.Rejected):
        await node.request("asks")


async def test_context_goes_whole(node: hubless.Node) -> None:
    @node.agent
    async def tells(ctx: Call) -> Any:
        context = ctx.context
        assert context is not None
        return {
            "keys": [entry.key for entry in context.entries],
            "data": context.entries[1].data,
            "roles": [turn.role for turn in context.history],
            "pages": [page.name for page in context.pages],
        }

    context = hubless.Context(
        entries=[hubless.Entry("a", "one", weight=0.5), hubless.Entry("b", data={"x": 1})],
        pages=[hubless.Page("p", [hubless.Entry("c", "three")])],
        history=[hubless.Text("hi", role="user")],
    )
    value = (await node.request("tells", context=context)).value
    assert value == {"keys": ["a", "b"], "data": {"x": 1}, "roles": ["user"], "pages": ["p"]}


@pytest.mark.parametrize(
    ("asked", "parts", "text"),
    [
        ({"prompt": "look"}, ["Text"], "look"),
        ({"content": "look"}, ["Text"], "look"),
        ({"content": {"a": 1}}, ["Data"], ""),
        ({"prompt": "look", "content": Blob(b"x")}, ["Text", "Blob"], "look"),
        ({"prompt": "look", "content": ["a", "b"]}, ["Text", "Data"], "look"),
        ({"prompt": "look", "content": [Blob(b"x"), Text(" twice")]}, PARTS, "look twice"),
        ({"prompt": "look", "content": Content([Blob(b"x"), Text("!")])}, PARTS, "look!"),
        ({}, [], ""),
    ],
)
async def test_prompt_and_content_go_together_and_with_the_rest(
    node: hubless.Node, asked: dict[str, Any], parts: list[str], text: str
) -> None:
    def shout(text: str) -> str:
        return text.upper()

    @node.agent
    async def tells(content: Content, ctx: Call) -> Any:
        return {
            "parts": [type(part).__name__ for part in content.parts],
            "text": await ctx.call_tool("shout", {"text": content.text}),
            "context": ctx.context is not None and ctx.context.entries[0].key,
        }

    context = hubless.Context(entries=[hubless.Entry("a", "one")])
    expected = {"parts": parts, "text": text.upper(), "context": "a"}
    reply = await node.request("tells", context=context, tools=[shout], **asked)
    assert reply.value == expected
    async with node.stream("tells", context=context, tools=[shout], **asked) as stream:
        assert [chunk async for chunk in stream] == []
    assert stream.reply.value == expected
    sent = await node.send("tells", tools=[shout], **asked)
    assert sent.output is not None and sent.output.value == {**expected, "context": False}


async def test_send_never_raises_for_a_refusal(node: hubless.Node) -> None:
    @node.agent
    async def same(prompt: str, /) -> str:
        return prompt

    @node.agent
    async def fails() -> None:
        raise RuntimeError("broken")

    good = await node.send("same", prompt="hi")
    assert good.output is not None and good.output.value == "hi"
    bad = await node.send("fails")
    assert bad.output is None
    assert isinstance(bad.rejection, errors.HandlerFailedError)


async def test_a_refusal_says_who_refused_in_which_trace_and_whether_to_try_again(
    node: hubless.Node,
) -> None:
    traces: list[str] = []

    async def fails(retry: float, ctx: Call) -> None:
        traces.append(ctx.trace["traceparent"].split("-")[1])
        raise errors.BusyError("later", retry=retry)

    agent = await node.register(fails)
    async with hubless.Node.start() as other:
        await knows(other, "fails")
        for caller in (node, other):
            with pytest.raises(errors.BusyError) as raised:
                await caller.request("fails", retry=1.5)
            error = raised.value
            assert (error.kind, error.retry, error.agent) == ("busy", 1.5, agent.id)
            assert error.trace_id == traces[-1]
    assert len(set(traces)) == 2


async def test_shared_secret(node: hubless.Node) -> None:
    async def vault() -> str:
        return "in"

    rule = Requirements(auth=SharedSecret("open-sesame"))
    agent = await node.register(vault, requirements=rule)
    assert "open-sesame" not in repr(rule) + repr(agent)
    for options in (None, Options(auth=hubless.Credential("wrong"))):
        with pytest.raises(PermissionError) as raised:
            await node.request("vault", options=options)
        assert isinstance(raised.value, errors.AuthError)
    good = Options(auth=hubless.Credential("open-sesame"))
    assert (await node.request("vault", options=good)).value == "in"


@pytest.mark.parametrize("plain", [True, False])
async def test_own_auth_function(node: hubless.Node, plain: bool) -> None:
    seen: list[hubless.AuthRequest] = []

    def check(request: hubless.AuthRequest) -> bool:
        seen.append(request)
        if request.credential == "explode":
            raise RuntimeError("no")
        return request.credential == "letmein"

    async def check_later(request: hubless.AuthRequest) -> bool:
        await asyncio.sleep(0)
        return check(request)

    async def vault() -> str:
        return "in"

    await node.register(vault, requirements=Requirements(auth=check if plain else check_later))
    for secret, lets_in in (("letmein", True), ("nope", False), ("explode", False)):
        options = Options(auth=hubless.Credential(secret, "custom"))
        response = await node.send("vault") if not secret else None
        assert response is None
        if lets_in:
            assert (await node.request("vault", options=options)).value == "in"
        else:
            with pytest.raises(errors.AuthError) as raised:
                await node.request("vault", options=options)
            failed = secret == "explode"
            assert raised.value.code == ("check_failed" if failed else "bad_credential")
    assert {request.scheme for request in seen} == {"custom"}
    assert seen[0].caller.kind


async def test_stored_credentials(node: hubless.Node) -> None:
    async def vault() -> str:
        return "in"

    agent = await node.register(vault, requirements=Requirements(auth=SharedSecret("s")))
    await node.credentials.set(agent.id, "s")
    assert (await node.request(agent.id)).value == "in"
    await node.credentials.remove(agent.id)
    with pytest.raises(errors.AuthError):
        await node.request(agent.id)
    asked: list[str] = []

    async def provide(target: str) -> str:
        asked.append(target)
        return "s"

    await node.credentials.set(agent.id, provide)
    assert (await node.request(agent.id)).value == "in"
    assert asked


async def test_own_token_counter(node: hubless.Node) -> None:
    def words(texts: Sequence[str]) -> int:
        return sum(len(text.split()) for text in texts)

    async def short(prompt: str, /) -> str:
        return "ok"

    await node.register(short, requirements=Requirements(max_tokens=3, token_counter=words))
    assert (await node.request("short", "one two")).value == "ok"
    with pytest.raises(errors.PromptError):
        await node.request("short", "one two three four")


@pytest.mark.parametrize("counted", [None, -1, 2**64, "many", float("nan"), RuntimeError("no")])
async def test_a_counter_that_fails_refuses(node: hubless.Node, counted: Any) -> None:
    def count(_: Sequence[str]) -> int:
        if isinstance(counted, Exception):
            raise counted
        return counted

    async def short(prompt: str, /) -> str:
        return "ok"

    await node.register(short, requirements=Requirements(max_tokens=3, token_counter=count))
    with pytest.raises(errors.PromptError) as raised:
        await asyncio.wait_for(node.request("short", "one"), PATIENCE_SECONDS)
    assert raised.value.code == "counter_failed"


async def test_auth_without_mechanism_is_a_configuration_error(node: hubless.Node) -> None:
    async def vault() -> str:
        return "in"

    with pytest.raises(errors.ConfigurationError):
        await node.register(
            vault, descriptor=hubless.Descriptor(needs={"authSchemes": ["shared_secret"]})
        )


async def test_check_runs_the_checks_without_the_handler(node: hubless.Node) -> None:
    ran: list[int] = []

    async def takes(n: int) -> None:
        ran.append(n)

    agent = await node.register(takes)
    await node.check(agent, n=1)
    with pytest.raises(errors.JsonError) as raised:
        await node.check(agent, n="one")
    assert isinstance(raised.value, hubless.Rejected)
    assert ran == []


async def test_templates(node: hubless.Node) -> None:
    @node.agent
    async def tells(ctx: Call) -> Any:
        return ctx.metadata

    await node.templates.set("t", {"metadata": {"a": 1}})
    assert await node.templates.list() == ["t"]
    assert (await node.request("tells", options=Options(template="t"))).value == {"a": 1}
    await node.templates.remove("t")
    with pytest.raises(hubless.Error):
        await node.request("tells", options=Options(template="t"))
    with pytest.raises(hubless.Error):
        await node.templates.set("u", {"idempotencyKey": "k"})


async def test_idempotent_repeat_runs_once(node: hubless.Node) -> None:
    runs: list[int] = []

    async def once() -> int:
        runs.append(1)
        return len(runs)

    await node.register(once, skill=hubless.Skill(effect="IDEMPOTENT"))
    options = Options(idempotency_key="k", effect="IDEMPOTENT")
    values = [(await node.request("once", options=options)).value for _ in range(3)]
    assert values == [1, 1, 1]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"timeout": 0.0}, "timeoutMs"),
        ({"options": Options(conversation_id="x" * 65)}, "conversationId"),
        ({"options": Options(effect="SOMETIMES")}, "effect"),
    ],
)
async def test_bad_options_name_the_field(
    node: hubless.Node, asked: dict[str, Any], field: str
) -> None:
    @node.agent
    async def ok() -> str:
        return "ok"

    with pytest.raises(errors.InvalidArgumentError) as raised:
        await node.request("ok", **asked)
    assert raised.value.field == field


async def test_says_one_thing_in_one_way(node: hubless.Node) -> None:
    with pytest.raises(errors.InvalidArgumentError):
        await node.request("x", "value", name="argument")
    with pytest.raises(errors.InvalidArgumentError):
        await node.request(object())  # type: ignore[arg-type]


async def test_many_at_once(node: hubless.Node) -> None:
    @node.agent
    async def add(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    async with hubless.Node.start() as other:
        await knows(other, "add")
        for caller in (node, other):
            replies = await asyncio.gather(*(caller.request("add", n=n) for n in range(200)))
            assert [reply.value for reply in replies] == list(range(1, 201))


async def test_requests_given_up_leave_no_handle(node: hubless.Node) -> None:
    @node.agent
    async def back(content: Content) -> Content:
        return content

    async with hubless.Node.start() as other:
        await knows(other, "back")
        await other.request("back", "warm up")
        before = _core.handles()

        async def give_up(delay: float) -> None:
            call = asyncio.ensure_future(
                other.request("back", Blob(source=pieces(pattern(300_000))))
            )
            await asyncio.sleep(delay)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

        await asyncio.gather(*(give_up(number / 2000) for number in range(60)))
        until = asyncio.get_running_loop().time() + 10
        while _core.handles() > before:
            assert asyncio.get_running_loop().time() < until, _core.handles() - before
            gc.collect()
            await asyncio.sleep(0.01)
