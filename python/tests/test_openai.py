"""OpenAI's own client against a gateway: nothing of it is changed but its base URL and key."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

openai = pytest.importorskip("openai")

ROOT = Path(__file__).parent.parent.parent
CLI = os.environ.get("HUBLESS_CLI") or str(ROOT / "target" / "debug" / "hubless")
PROVIDER_KEY = "sk-canary-of-the-provider"
# A token costs a millionth, and is a byte at least.
PRICES = """
[models.m]
input_micros = 1_000_000
output_micros = 1_000_000
max_output_tokens = 50
message_tokens = 0
request_tokens = 0
"""
WORDS = ["one ", "two ", "three"]
ASKED: Any = {"model": "m", "messages": [{"role": "user", "content": "count"}]}


class Provider(ThreadingHTTPServer):
    """Answers as OpenAI does, and counts what it would be paid: that is the bill."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.bill = 0
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.fails = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        self.server.keys.add(self.headers["authorization"])
        if self.server.fails > 0:
            self.server.fails -= 1
            wait = {"retry-after-ms": "1", "retry-after": "0"}
            self.answer(429, {"error": {"message": "too many", "code": "rate"}}, wait)
            return
        read = sum(len(message["content"]) for message in body["messages"])
        usage = {
            "prompt_tokens": read,
            "completion_tokens": len(WORDS),
            "total_tokens": read + len(WORDS),
        }
        self.server.bill += usage["total_tokens"]
        if body.get("stream"):
            self.stream(usage)
            return
        message = {"role": "assistant", "content": "".join(WORDS)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self.answer(200, {**self.head("chat.completion"), "choices": [choice], "usage": usage})

    def head(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-7", "object": kind, "created": 1, "model": "m"}

    def answer(self, status: int, said: Any, more: dict[str, str] | None = None) -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        headers = {"content-type": "application/json", "content-length": str(len(text))}
        for name, value in {**headers, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def stream(self, usage: dict[str, int]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        head = {**self.head("chat.completion.chunk"), "usage": None}
        pieces: list[Any] = [
            {**head, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
            for word in WORDS
        ]
        pieces.append(
            {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        )
        pieces.append({**head, "choices": [], "usage": usage})
        for piece in pieces:
            self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Gateway:
    """The command's own gateway, and what a person types to make keys of it."""

    def __init__(self, home: Path, provider: Provider, ceiling: int) -> None:
        self.environment = {**os.environ, "HUBLESS_HOME": str(home), "THE_KEY": PROVIDER_KEY}
        add = ["gateway", "root", "add", "--name", "front", "--ceiling", str(ceiling)]
        self.root = self.run(add).strip()
        prices = home / "prices.toml"
        prices.write_text(PRICES)
        expose = ["expose", "gateway", "--json", "--name", "front", "--listen", "127.0.0.1:0"]
        asked = ["--provider", provider.url, "--provider-key-env", "THE_KEY"]
        self.process = subprocess.Popen(
            [CLI, *expose, *asked, "--prices", str(prices)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]

    def run(self, arguments: list[str], fed: str = "") -> str:
        ran = subprocess.run(
            [CLI, *arguments],
            env=self.environment,
            input=fed,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return ran.stdout

    def key(self, limit: int) -> str:
        arguments = ["gateway", "key", "--from", "-", "--limit", str(limit), "--ttl", "10m"]
        return self.run(arguments, f"{self.root}\n").strip()

    def paid(self) -> int:
        shown = self.run(["gateway", "show", "--name", "front", "--json"]).splitlines()
        roots = [one for one in map(json.loads, shown) if one["link"] is None]
        return sum(int(one["spentMicros"]) for one in roots)

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=60)


@pytest.fixture
def gateway(home: Path, provider: Provider) -> Iterator[Gateway]:
    if shutil.which(CLI) is None:
        pytest.skip("the command `hubless` is not built")
    started = Gateway(home, provider, 10_000)
    yield started
    started.end()


def test_a_client_is_answered_whole_and_in_pieces_and_paid_for(
    gateway: Gateway, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a program that exists is moved to a gateway: by the two variables it reads anyway.
    monkeypatch.setenv("OPENAI_BASE_URL", gateway.url)
    monkeypatch.setenv("OPENAI_API_KEY", gateway.key(1_000))
    with openai.OpenAI(max_retries=0, timeout=60) as client:
        assert [model.id for model in client.models.list()] == ["m"]
        whole = client.chat.completions.create(**ASKED)
        assert whole.choices[0].message.content == "".join(WORDS)
        assert whole.usage is not None and whole.usage.total_tokens == 8
        with client.chat.completions.create(**ASKED, stream=True) as stream:
            chunks = list(stream)
        assert [chunk.choices[0].delta.content for chunk in chunks[:-1]] == WORDS
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert all(chunk.usage is None for chunk in chunks), "it was not asked for"
        asked = {**ASKED, "stream_options": {"include_usage": True}}
        with client.chat.completions.create(**asked, stream=True) as stream:
            usage = [chunk.usage for chunk in stream][-1]
        assert usage is not None and usage.total_tokens == 8
    assert gateway.paid() == provider.bill == 24
    assert provider.keys == {f"Bearer {PROVIDER_KEY}"}
    # What bounds the cost was added, and the usage of a stream asked for.
    assert all(body["max_completion_tokens"] == 50 for body in provider.asked)
    assert provider.asked[1]["stream_options"] == {"include_usage": True}


def test_a_client_that_waits_for_nothing_is_answered_too(
    gateway: Gateway, provider: Provider
) -> None:
    async def ask() -> list[str | None]:
        key = gateway.key(1_000)
        async with openai.AsyncOpenAI(base_url=gateway.url, api_key=key, max_retries=0) as client:
            asks = [client.chat.completions.create(**ASKED) for _ in range(4)]
            answers = await asyncio.gather(*asks)
        return [answer.choices[0].message.content for answer in answers]

    assert asyncio.run(ask()) == ["".join(WORDS)] * 4
    assert gateway.paid() == provider.bill == 32


def test_a_refusal_is_one_of_the_clients_own_errors(gateway: Gateway, provider: Provider) -> None:
    def client(key: str, retries: int = 0) -> Any:
        return openai.OpenAI(base_url=gateway.url, api_key=key, max_retries=retries, timeout=60)

    with client("sk-other") as other, pytest.raises(openai.AuthenticationError) as unknown:
        other.chat.completions.create(**ASKED)
    assert unknown.value.code == "bad_chain"
    # Patience would be in vain, and the client is told so: it asks once.
    with client(gateway.key(10), 2) as poor, pytest.raises(openai.RateLimitError) as empty:
        poor.chat.completions.create(**ASKED)
    assert (empty.value.code, empty.value.type) == ("budget_exhausted", "insufficient_quota")
    assert provider.asked == []
    with client(gateway.key(1_000)) as good, pytest.raises(openai.BadRequestError) as unpriced:
        good.chat.completions.create(**ASKED, n=2)
    assert (unpriced.value.code, unpriced.value.param) == ("unpriced", "n")
    assert provider.asked == []
    # What the provider refuses is tried again, each time as a call of its own.
    provider.fails = 1
    with client(gateway.key(1_000), 2) as patient:
        answer = patient.chat.completions.create(**ASKED)
    assert answer.choices[0].message.content == "".join(WORDS)
    assert len(provider.asked) == 2 and gateway.paid() == provider.bill == 8
