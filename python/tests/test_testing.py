"""Test meshes, fake peers, recordings, and the plugin of pytest."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hubless
import hubless.testing
from hubless import errors
from hubless.testing import FakePeer, Mesh


async def test_a_mesh_meets_nobody_else_and_is_removed_at_its_end(node: hubless.Node) -> None:
    @node.agent
    async def outside() -> str:
        return "outside"

    assert (await node.request("outside")).value == "outside"
    async with hubless.testing.mesh() as mesh:
        other = await mesh.start()
        assert mesh.node.mesh_id == other.mesh_id != node.mesh_id
        await mesh.fake("inside", answer=1)
        assert (await other.request("inside")).value == 1
        with pytest.raises(errors.NotFoundError):
            await other.request("outside")
        for address in (await other.status())["addresses"]:
            assert address.startswith(("127.", "[::1]")), address
        home = mesh.home
        assert home.is_dir()
    assert not home.exists()
    await mesh.close()


@pytest.mark.parametrize("failure", [OSError("cannot be closed"), asyncio.CancelledError()])
async def test_a_node_that_cannot_be_closed_leaves_neither_home_nor_nodes(
    failure: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    mesh = await hubless.testing.mesh().__aenter__()
    broken, _ = await mesh.start(), await mesh.start()
    first, close = mesh.node, broken.close

    async def breaks(grace: float) -> None:
        await close(grace)
        raise failure

    monkeypatch.setattr(broken, "close", breaks)
    assert mesh.home.is_dir() and not first.session.closed
    with pytest.raises(type(failure)):
        await mesh.close()
    assert first.session.closed
    assert not mesh.home.exists()


async def test_nodes_of_a_mesh_read_nothing_of_their_surroundings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = tmp_path / "spans.jsonl"
    monkeypatch.setenv("HUBLESS_TRACE", str(spans))
    monkeypatch.setenv("HUBLESS_LISTEN", "nonsense")
    monkeypatch.setenv("HUBLESS_GATEWAY", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("HUBLESS_GATEWAY_KEY", "nonsense")
    async with hubless.testing.mesh() as mesh:
        await mesh.fake("weather", answer=1)
        await mesh.node.request("weather")
    assert not spans.exists()
    with pytest.raises(errors.Error) as refused:
        await hubless.Node.start()
    assert refused.value.kind in ("invalid_argument", "auth")


async def test_a_fake_answers_by_its_steps_and_names_what_does_not_fit(hubless_mesh: Mesh) -> None:
    fake = await hubless_mesh.fake(
        "weather",
        skills=["forecast"],
        tags=["sky"],
        steps=[
            {"when": {"contains": {"city": "Oslo"}}, "answer": {"value": {"tempC": 7}}},
            {"events": [{"chunk": {"value": "be"}}, {"chunk": {"value": "gin"}}], "times": 1},
            {"when": {"value": "x"}, "error": {"kind": "denied", "message": "not you"}},
        ],
    )
    node = hubless_mesh.node
    assert [peer.name for peer in await node.find(tags=["sky"])] == ["weather"]
    assert (await node.request("weather", city="Oslo")).value == {"tempC": 7}
    said = [chunk.text async for chunk in node.stream("weather", "anything")]
    assert said == ["be", "gin"]
    with pytest.raises(errors.ConflictError, match=r"never asked for step 3 \(value \"x\"\)"):
        await fake.verify()
    with pytest.raises(hubless.Rejected) as denied:
        await node.request("weather", "x")
    assert (denied.value.kind, denied.value.code) == ("denied", None)
    await fake.verify()
    with pytest.raises(hubless.Rejected, match=r"value \"more\"; nothing is left") as used:
        await node.request("weather", "more")
    assert (used.value.kind, used.value.code) == ("handler_failed", "script_used_up")
    asked = await fake.asked()
    assert [one.value for one in asked] == [{"city": "Oslo"}, "anything", "x", "more"]
    assert [one.step for one in asked] == [0, 1, 2, None]
    assert [one.ending for one in asked] == ["answered", "answered", "failed", "refused"]
    assert asked[0].caller.kind == "local"
    assert await fake.count() == 4


async def test_a_held_answer_waits_for_its_gate(hubless_mesh: Mesh) -> None:
    fake = await hubless_mesh.fake("slow", steps=[{"hold": "door", "answer": {"value": 1}}])
    call = asyncio.ensure_future(hubless_mesh.node.request("slow", 7))
    (asked,) = await fake.asked(at_least=1)
    assert (asked.ending, call.done()) == ("open", False)
    with pytest.raises(errors.InvalidArgumentError) as wrong:
        await fake.release("window")
    assert wrong.value.field == "gate"
    await fake.release("door")
    assert (await call).value == 1


async def test_a_recording_is_replayed_without_the_peer(hubless_mesh: Mesh) -> None:
    node = hubless_mesh.node

    async def weather(city: str, password: str) -> dict[str, str]:
        if city == "Nowhere":
            raise errors.NotFoundError("no such city", code="city")
        return {"city": city, "api_key": "canary-key"}

    real = await node.register(weather)
    recorder = await hubless_mesh.record("weather", name="recorded", redact=["badge"])

    async def ask(to: str, city: str, password: str) -> object:
        try:
            return (await node.request(to, city=city, password=password)).value["city"]
        except hubless.Rejected as error:
            return error.code

    live = [await ask("recorded", city, "canary-word") for city in ("Oslo", "Nowhere")]
    assert live == ["Oslo", "city"]
    path = hubless_mesh.home / "weather.json"
    assert await recorder.save(path) == 2
    await real.unregister()
    assert "canary" not in path.read_text()
    assert json.loads(path.read_text())["agent"]["name"] == "weather"

    again = await hubless_mesh.replay(path)
    assert [await ask("weather", city, "other") for city in ("Oslo", "Nowhere")] == live
    await again.verify()
    assert await ask("weather", "Oslo", "x") == "script_used_up"
    await again.unregister()
    loose = await hubless_mesh.replay(path, mode="loose", name="again")
    assert isinstance(loose, FakePeer)
    cities = ("Nowhere", "Oslo", "Oslo")
    assert [await ask("again", city, "x") for city in cities] == ["city", "Oslo", "Oslo"]


async def test_a_script_is_read_from_a_file_or_refused_with_its_place(
    hubless_mesh: Mesh, tmp_path: Path
) -> None:
    path = tmp_path / "script.json"
    path.write_text('{"steps": [{"answer": {"value": 1}}]}')
    await hubless_mesh.fake("one", path)
    assert (await hubless_mesh.node.request("one")).value == 1
    with pytest.raises(errors.InvalidArgumentError) as wrong:
        await hubless_mesh.fake("two", {"steps": [{"answr": 1}]})
    assert wrong.value.field == "script.steps.0.answr"
    with pytest.raises(errors.InvalidArgumentError) as both:
        await hubless_mesh.fake("two", path, answer=1)
    assert both.value.field == "script"
    with pytest.raises(errors.ConfigurationError) as missing:
        await hubless_mesh.replay(tmp_path / "none.json")
    assert missing.value.code == "bad_file"


async def test_the_fixture_of_a_node_is_that_of_its_mesh(
    hubless_node: hubless.Node, hubless_mesh: Mesh
) -> None:
    assert hubless_node is hubless_mesh.node


TESTS = """
async def test_uses_it(hubless_mesh):
    await hubless_mesh.fake("weather", answer=7)
    assert (await hubless_mesh.node.request("weather")).value == 7

async def test_is_told_what_did_not_fit(hubless_mesh):
    await hubless_mesh.fake("weather", steps=[{"when": {"value": "a"}, "answer": {"value": 7}}])
    await hubless_mesh.node.request("weather", "b")
"""


def test_the_failure_of_a_users_test_names_what_came(tmp_path: Path) -> None:
    (tmp_path / "test_user.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["hubless.pytest"]\n')
    options = ["-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
    here = str(Path(hubless.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), *options, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": here},
        capture_output=True,
        text=True,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert 'no step for this request: got value "b"; open is step 1 (value "a")' in done.stdout
