"""Runs language-neutral cases through the public API."""

import asyncio
import contextlib
import functools
import json
import secrets
import time
from collections import Counter
from collections.abc import Awaitable
from typing import Any

from budgets import PATIENCE_MS, Switched, amounts_of, settled, usage_of
from expect import holds
from operations import Operations, Outcome, found
from seen import parts_seen
from subjects import digest_of, pattern, pieces

import hubless
from hubless import Blob, Content, Data, Text, Uri, where

DEEP_LEVELS = 100
LONG = "$LONG"
SHOWN_CHARACTERS = 400


class Runner:
    """Runs cases against the subjects of one language."""

    def __init__(self, node: hubless.Node, to: str) -> None:
        self.node = node
        self.to = to
        self.mark = secrets.token_hex(6)
        self.key = ""
        self.id = ""
        self.kept = ""
        self.operations = Operations(node)
        self.patience_ms = PATIENCE_MS
        self.before: dict[str, Any] = {}
        self.switched: Switched | None = None

    async def wait_for_subject(self) -> None:
        last = where("name").equals(f"{self.to}.stats")
        await self.node.peer(filter=last, wait=PATIENCE_MS / 1000)

    async def run(self, case: dict[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        before = await self.stats()
        way = {"path": before.path, "peer": before.agent.node_key, "wayOf": "stats"}
        self.key = before.agent.node_key
        if "$ID" in json.dumps(case):
            named = where("name").equals(f"{self.to}.{case['agent']}")
            self.id = (await self.node.peer(filter=named, wait=PATIENCE_MS / 1000)).agent_id
        self.patience_ms = case.get("patienceMs", PATIENCE_MS)
        self.before = before.value
        self.switched = Switched(case["switch"], self.patience_ms) if "switch" in case else None
        got = await self.outcomes(case, way)
        after = await self.stats()
        agent = case["agent"]
        runs = after.value["runs"].get(agent, 0) - before.value["runs"].get(agent, 0)
        remote = way["path"] != "in_process" and way["peer"] not in ("", self.node.node_key)
        as_often = runs == case.get("runs", runs)
        expect = case["expect"] if "expect" in case else [one["expect"] for one in case["steps"]]
        ok = remote and as_often and await self.comes_to_hold(self.fill(expect), got)
        ms = round((time.monotonic() - began) * 1000)
        shown = {"case": case["id"], "ok": ok, "expected": expect, "got": shortened(got)}
        return {**shown, **way, "runs": runs, "ms": ms}

    async def comes_to_hold(self, expect: Any, got: list[dict[str, Any]]) -> bool:
        """Without a switch at once; else the switch is looked at until it shows what it should."""
        switched = self.switched
        if switched is None:
            return holds(expect, got)

        def look() -> bool:
            for one in got:
                one["switch"] = switched.shown()
            return holds(expect, got)

        return await settled(look, switched.patience_ms)

    async def stats(self) -> hubless.Reply:
        return await self.node.request(f"{self.to}.stats", "?")

    async def outcomes(self, case: dict[str, Any], way: dict[str, str]) -> list[dict[str, Any]]:
        action = case.get("action", {})
        if "steps" in case:
            steps = [{"agent": case["agent"], "request": {}, **step} for step in case["steps"]]
            return [await self.step(step, way) for step in steps]
        if (operation := self.operation(case)) is not None:
            return [await caught(operation)]
        if "parallel" in action:
            calls = [self.request(case, number, way) for number in range(action["parallel"])]
            return [counted(await asyncio.gather(*calls))]
        if action.get("stream"):
            return [await self.stream(case, way)]
        got = [await self.request(case, number, way) for number in range(action.get("repeat", 1))]
        ended = "cancelAfterMs" in action or "tripAfterMs" in action
        if ended and not await self.grows("cancelled", case["agent"]):
            got.append({"error": {"kind": "the handler was not cancelled"}})
        return got

    async def step(self, step: dict[str, Any], way: dict[str, str]) -> dict[str, Any]:
        outcome = (await self.outcomes(step, way))[0]
        if step.get("keep"):
            candidates = outcome.get("error", OK).get("candidates")
            self.kept = candidates[0] if candidates else str(outcome.get("text"))
        return outcome

    def operation(self, case: dict[str, Any]) -> Awaitable[Outcome] | None:
        """What a case does through the node besides asking, if it does."""
        for word, value in self.fill(case.get("action", {})).items():
            if word in ("find", "discover"):
                return getattr(self, word)(query_of(value))
            if word == "watch":
                return self.watch(case, query_of(value))
            if word in ("send", "check"):
                return getattr(self, word)(case, value)
            if word == "sendShort":
                return self.send_short(case)
            if word in self.operations.words:
                return self.operations.words[word](value)
        return None

    async def find(self, query: hubless.Query) -> Outcome:
        return found(await self.node.find(query, wait=self.patience_ms / 1000))

    async def discover(self, query: hubless.Query) -> Outcome:
        return await self.operations.discover(query)

    async def watch(self, case: dict[str, Any], query: hubless.Query) -> Outcome:
        asked = [{**case, "action": {}, "request": one} for one in case["action"]["while"]]
        steps = [functools.partial(self.request, one, 0, {}) for one in asked]
        return await self.operations.watch(query, steps)

    async def send(self, case: dict[str, Any], _: Any) -> Outcome:
        to, asked = self.prepare(case, 0)
        options = hubless.Options(kill_switch=asked["options"].kill_switch)
        with self.ambient(case):
            response = await self.node.send(to, content=asked["content"], options=options)
        return await self.answered(response)

    async def send_short(self, case: dict[str, Any]) -> Outcome:
        """The words of the short form are the named arguments of ``send``."""
        words = self.fill(case["request"])
        short = {snake(name): value for name, value in words.items() if name != "content"}
        if "content" in words:
            short["content"] = content_of(words["content"])
        to = self.fill(case.get("to", f"{self.to}.{case['agent']}"))
        return await self.answered(await self.node.send(to, **short))

    async def answered(self, response: hubless.Response) -> Outcome:
        if response.rejection is not None:
            return {"rejection": fields_of(response.rejection)}
        return await decoded(response.output, {})

    async def check(self, case: dict[str, Any], name: Any) -> Outcome:
        _, asked = self.prepare(case, 0)
        try:
            await self.node.check(self.operations.own[name], content=asked["content"])
        except hubless.Rejected as refusal:
            return {"rejection": fields_of(refusal)}
        return {"value": "accepted"}

    async def request(self, case: dict[str, Any], number: int, way: dict[str, str]) -> Any:
        try:
            to, asked = self.prepare(case, number)
            with self.ambient(case):
                work = asyncio.ensure_future(self.node.request(to, **asked))
            action = case.get("action", {})
            if "cancelAfterMs" in action:
                await self.begun_since(case["agent"], action["cancelAfterMs"])
                work.cancel()
            if "tripAfterMs" in action and self.switched is not None:
                await self.begun_since(case["agent"], action["tripAfterMs"])
                self.switched.switch.trip()
            return await decoded(await work, way)
        except asyncio.CancelledError:
            return {"error": {"kind": "cancelled", "code": ""}}
        except hubless.Error as error:
            return {"error": fields_of(error)}

    async def stream(self, case: dict[str, Any], way: dict[str, str]) -> dict[str, Any]:
        seen: dict[str, Any] = {"chunks": [], "notes": []}
        to, asked = self.prepare(case, 0)
        try:
            with self.ambient(case):
                stream = self.node.stream(to, **asked)
            async for event in stream.events():
                if isinstance(event, hubless.Chunk):
                    seen["chunks"].append(event.value)
                elif isinstance(event, hubless.Progress):
                    seen["notes"].append(event.note)
                else:
                    seen |= await decoded(event, way)
        except hubless.Error as error:
            seen["error"] = fields_of(error)
        return seen

    async def begun_since(self, agent: str, ms: int) -> None:
        """Waits until a handler began, and so long after."""
        await self.grows("runs", agent)
        await asyncio.sleep(ms / 1000)

    async def grows(self, what: str, agent: str) -> bool:
        """Waits until the other process has counted one more than before; says whether it has."""
        wanted = self.before[what].get(agent, 0) + 1
        until = time.monotonic() + PATIENCE_MS / 1000
        while time.monotonic() < until:
            if (await self.stats()).value[what].get(agent, 0) >= wanted:
                return True
            await asyncio.sleep(0.02)
        return False

    def ambient(self, case: dict[str, Any]) -> contextlib.AbstractContextManager[Any]:
        """The means by which the language hands a switch on by itself, where a case wants it."""
        wanted = case.get("ambient") and self.switched is not None
        return self.switched.switch if wanted else contextlib.nullcontext()

    def prepare(self, case: dict[str, Any], number: int) -> tuple[str, dict[str, Any]]:
        request = self.fill(case["request"], number)
        action = case.get("action", {})
        explicit = self.switched if not case.get("ambient") else None
        options = options_of(request, action, explicit and explicit.switch)
        asked: dict[str, Any] = {"options": options}
        if "skill" in request:
            asked["skill"] = request["skill"]
        if "timeoutMs" in request:
            asked["timeout"] = request["timeoutMs"] / 1000
        if "context" in request:
            asked["context"] = context_of(request["context"])
        if "tool" in action:
            offered = hubless.Tool(add, name=action["tool"])
            asked["tools"] = [offered] * action.get("times", 1)
        asked["content"] = content_of(request.get("content", {"parts": []}))
        to = self.fill(case.get("to", f"{self.to}.{case['agent']}"), number)
        if "toQuery" in action:
            to = query_of(self.fill(action["toQuery"]))
        return to, asked

    def fill(self, value: Any, number: int = 0) -> Any:
        if value == "$DEEP":
            return deep()
        if isinstance(value, str) and value.startswith(LONG):
            return "x" * int(value.removeprefix(LONG))
        if isinstance(value, str):
            named = value.replace("$TO", self.to).replace("$RUN", self.mark)
            named = named.replace("$KEY", self.key).replace("$ID", self.id)
            named = named.replace("$KEPT", self.kept)
            return named.replace("$N", str(number)).replace("$D", str(number % 10))
        if isinstance(value, list):
            return [self.fill(item, number) for item in value]
        if isinstance(value, dict):
            return {self.fill(key): self.fill(item, number) for key, item in value.items()}
        return value


OK: dict[str, Any] = {"kind": "ok", "code": ""}


def counted(done: list[dict[str, Any]]) -> Outcome:
    """Counts what came of requests made at once: with their codes, and by kind alone."""
    errors = [one.get("error", OK) for one in done]
    words = [error["kind"] + (f"/{error['code']}" if error["code"] else "") for error in errors]
    return {"outcomes": Counter(words), "kinds": Counter(error["kind"] for error in errors)}


async def caught(work: Awaitable[Outcome]) -> Outcome:
    try:
        return await work
    except hubless.Error as error:
        return {"error": fields_of(error)}


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def deep() -> Any:
    value: list[Any] = []
    for _ in range(DEEP_LEVELS - 1):
        value = [value]
    return value


async def decoded(reply: hubless.Reply, way: dict[str, str]) -> dict[str, Any]:
    way.update(path=reply.path, peer=reply.agent.node_key, wayOf="answer")
    outcome = {"value": reply.value, "text": reply.text, "usage": usage_of(reply.usage)}
    outcome |= {"tracedAs": reply.trace_id, **parts_seen(reply.content)}
    blobs = [part for part in reply.content.parts if isinstance(part, Blob)]
    return {**outcome, "blob": await digest_of(blobs[0])} if blobs else outcome


def shortened(value: Any) -> Any:
    """Cuts long texts: a report is to be read."""
    if isinstance(value, str):
        return value[:SHOWN_CHARACTERS]
    if isinstance(value, list):
        return [shortened(one) for one in value]
    if isinstance(value, dict):
        return {key: shortened(one) for key, one in value.items()}
    return value


def fields_of(error: hubless.Error) -> dict[str, Any]:
    names = ("kind", "field", "message", "pointer", "origin")
    said = {name: getattr(error, name) for name in names}
    retry: dict[str, Any] = {"retry": error.retry}
    if not isinstance(error.retry, str):
        retry = {"retry": "after", "retryAfterMs": round(error.retry * 1000)}
    limit = error.limit and {"name": error.limit.name, "value": error.limit.value}
    rejection = isinstance(error, hubless.Rejected)
    candidates = list(error.candidates)
    more = {"code": error.code or "", **retry, "limit": limit, "traceId": error.trace_id}
    return {**said, **more, "rejection": rejection, "candidates": candidates}


def query_of(query: Any) -> Any:
    if isinstance(query, str):
        return query
    return hubless.Query(**{snake(name): value for name, value in query.items()})


def options_of(
    request: dict[str, Any], action: dict[str, Any], switch: hubless.KillSwitch | None
) -> hubless.Options:
    taken = ("content", "skill", "timeoutMs", "context", "tools")
    given = {snake(name): value for name, value in request.items() if name not in taken}
    if "total_ms" in given:
        given["total_timeout"] = given.pop("total_ms") / 1000
    if "wait" in given:
        given["wait"] /= 1000
    for name in ("auth", "transport_auth"):
        if name in given:
            given[name] = hubless.Credential(given[name]["secret"], given[name]["scheme"])
    if "accept" in given:
        accept = {snake(name): value for name, value in given["accept"].items()}
        given["accept"] = hubless.Accept(**accept)
    if "retry" in given:
        given["retry"] = hubless.Retry(**given["retry"])
    if "max" in given:
        given["max"] = amounts_of(given["max"])
    if "input" in action:
        given["on_input"] = lambda prompt: action["input"]
    return hubless.Options(**given, kill_switch=switch)


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def context_of(record: dict[str, Any]) -> hubless.Context:
    def entries(given: list[dict[str, Any]]) -> list[hubless.Entry]:
        return [hubless.Entry(**entry) for entry in given]

    return hubless.Context(
        entries=entries(record.get("entries", [])),
        pages=[hubless.Page(p["name"], entries(p["entries"])) for p in record.get("pages", [])],
        history=[part_of(turn) for turn in record.get("history", [])],
        explanation=record.get("explanation"),
        descriptions=record.get("descriptions"),
    )


def content_of(content: dict[str, Any]) -> Any:
    if "parts" in content:
        return Content([part_of(part) for part in content["parts"]], content.get("metadata"))
    return content["value"]


def part_of(part: dict[str, Any]) -> Any:
    extra = {"role": part.get("role"), "metadata": part.get("metadata")}
    if "text" in part:
        return Text(part["text"], **extra)
    if "data" in part:
        return Data(part["data"], **extra)
    if "uri" in part:
        uri = part["uri"]
        return Uri(uri["uri"], uri.get("mediaType"), uri.get("digest"), uri.get("size"), **extra)
    blob, size = part["blob"], part["blob"]["size"]
    about = {"media_type": blob["mediaType"], "filename": blob.get("filename"), **extra}
    if blob.get("streamed"):
        return Blob(source=pieces(size), size=size, sha256=blob.get("sha256"), **about)
    return Blob(pattern(0, size), **about)
