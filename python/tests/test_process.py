"""What only whole processes show: examples, exit, signals, fork, kill."""

from __future__ import annotations

import asyncio
import os
import signal
import textwrap
import time
from pathlib import Path

import pytest
from programs import Programs, knows, line_of

import hubless
import hubless.sync
from hubless import errors

EXAMPLES = Path(__file__).parent.parent / "examples"

AGENT = """
import asyncio, hubless
async def main():
    async with hubless.Node.start() as node:
        @node.agent(tags=["t"])
        async def work(ms: int) -> str:
            print("begun", flush=True)
            await asyncio.sleep(ms / 1000)
            return "done"
        await node.find("work")
        # After the first step of `serve`, which takes the signals.
        asyncio.get_running_loop().call_soon(lambda: print("ready", flush=True))
        await node.serve(stdin=True)
asyncio.run(main())
"""


def wait_for(name: str) -> None:
    """Waits for the agent of another program: who asks in a sample gives up after a second."""
    with hubless.sync.Node.start() as node:
        node.peer(filter=hubless.where("name").equals(name), wait=20)


def test_examples_say_hello_and_end_with_stdin(programs: Programs) -> None:
    agent = programs.start(str(EXAMPLES / "hello_agent.py"))
    wait_for("greet")
    caller = programs.start(str(EXAMPLES / "hello_caller.py"), "Ada")
    out, err = caller.communicate(timeout=30)
    assert (out, err, caller.returncode) == ("hello Ada\n", "", 0)
    out, err = agent.communicate(timeout=30)
    assert (out, err, agent.returncode) == ("", "", 0)


def test_examples_have_at_most_ten_lines_of_code() -> None:
    for path in EXAMPLES.glob("hello_*.py"):
        lines = [line for line in path.read_text().splitlines() if line.strip()]
        assert len(lines) <= 10


def samples() -> list[tuple[str, str | None]]:
    """Gives every program of the README with what it prints, if it says so."""
    text = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    found = []
    for piece in text.split("```python\n")[1:]:
        code, _, rest = piece.partition("```\n")
        output = rest[len("```text\n") :].split("```")[0] if rest.startswith("```text") else None
        found.append((code, output))
    return found


def test_samples_of_the_readme_print_what_they_say(programs: Programs) -> None:
    (agent, _), *others = samples()
    programs.code(agent)
    wait_for("greet")
    for code, output in others:
        program = programs.code(code)
        out, err = program.communicate(timeout=30)
        assert program.returncode == 0, err
        assert output is not None
        assert out.rstrip() == output.rstrip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_a_serving_program_cleanly(programs: Programs, number: int) -> None:
    agent = programs.code(AGENT)
    assert line_of(agent.stdout) == "ready"
    began = time.monotonic()
    agent.send_signal(number)
    assert agent.wait(10) == 0
    assert time.monotonic() - began < 5


SERVING = {
    "of a node": """
async def main():
    node = await hubless.Node.start()
    register(node)
    await node.serve()
asyncio.run(main())
""",
    "of a node without async": """
node = hubless.sync.Node.start()
register(node)
node.serve()
""",
    "of the default node": """
register(hubless)
hubless.serve()
""",
}


@pytest.mark.parametrize("serving", SERVING.values(), ids=SERVING.keys())
async def test_a_call_in_flight_ends_after_the_signal(
    programs: Programs, tmp_path: Path, serving: str
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    program = programs.code(
        f"""
import asyncio, hubless, hubless.sync
def register(node):
    @node.agent
    def idle() -> str:
        return "idle"
    @node.agent
    def held() -> str:
        with open({str(gate)!r}) as gate:
            return gate.read()
"""
        + textwrap.dedent(serving)
    )
    async with hubless.Node.start() as node:
        await knows(node, "held")
        await knows(node, "idle")
        assert (await node.request("idle")).value == "idle"
        held = asyncio.create_task(node.request("held"))
        # Opens when the handler has opened its end.
        with await asyncio.to_thread(gate.open, "w") as opened:
            program.send_signal(signal.SIGTERM)
            with pytest.raises(errors.Error):
                while True:
                    await node.request("idle", timeout=5, options=hubless.Options(wait=0))
            opened.write("let through")
        assert (await held).value == "let through"
    assert program.wait(30) == 0


@pytest.mark.parametrize(
    "wait",
    [
        "hubless.sync.request('work', ms=60000, options=hubless.Options(wait=20))",
        "asyncio.run(main())",
        "asyncio.run(thread())",
    ],
)
def test_ctrl_c_ends_a_waiting_caller_at_once(programs: Programs, wait: str) -> None:
    agent = programs.code(AGENT)
    assert line_of(agent.stdout) == "ready"
    caller = programs.code(
        f"""
import asyncio, hubless, hubless.sync, time
async def main():
    async with hubless.Node.start() as node:
        print("waiting", flush=True)
        await node.request("work", ms=60000, options=hubless.Options(wait=20))
async def thread():
    async with hubless.Node.start() as node:
        @node.agent
        def blocks():
            print("waiting", flush=True)
            time.sleep(60)
        await node.request("blocks")
print("waiting", flush=True) if "hubless.sync" in {wait!r} else None
{wait}
"""
    )
    assert line_of(caller.stdout) == "waiting"
    # The caller that asks itself has its handler say that it waits.
    if "thread" not in wait:
        assert line_of(agent.stdout) == "begun"
    began = time.monotonic()
    caller.send_signal(signal.SIGINT)
    caller.wait(30)
    assert time.monotonic() - began < 2
    assert caller.returncode != 0
    assert "KeyboardInterrupt" in caller.communicate()[1]


@pytest.mark.parametrize("wake", ["eventfd", "thread"])
def test_exits_without_close_while_a_request_is_pending(
    programs: Programs, wake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBLESS_PYTHON_WAKE", wake)
    program = programs.code(
        """
        import asyncio, hubless, sys
        async def main():
            node = await hubless.Node.start()
            @node.agent
            async def never():
                print("running", flush=True)
                await asyncio.sleep(60)
            task = asyncio.ensure_future(node.request("never"))
            await asyncio.sleep(0.3)
            print("leaving", flush=True)
            if len(sys.argv) > 1:
                sys.exit(3)
        asyncio.run(main())
        """
    )
    assert [line_of(program.stdout) for _ in range(2)] == ["running", "leaving"]
    began = time.monotonic()
    out, err = program.communicate(timeout=30)
    assert (out, err, program.returncode) == ("", "", 0)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("used", [False, True])
def test_a_switch_with_a_pending_listener_does_not_hold_the_exit(
    programs: Programs, used: bool
) -> None:
    program = programs.code(
        f"""
        import asyncio, hubless
        switch = hubless.KillSwitch(calls=5)
        switch.on_tripped(lambda stop: print("tripped"))
        async def main():
            async with hubless.Node.start() as node:
                @node.agent
                async def echo(value, /):
                    return value
                with switch:
                    print((await node.request("echo", "paid")).value)
        if {used}:
            asyncio.run(main())
        print(switch.spent.calls)
        """
    )
    out, err = program.communicate(timeout=30)
    assert (program.returncode, err) == (0, "")
    assert out.split() == (["paid", "1"] if used else ["0"])


def test_exit_inside_a_callback_is_clean(programs: Programs) -> None:
    program = programs.code(
        """
        import hubless.sync as hubless, sys
        node = hubless.Node.start()
        node.register(lambda: "x", name="one")
        assert node.request("one").value == "x"
        sys.exit(3)
        """
    )
    out, err = program.communicate(timeout=30)
    assert (out, err, program.returncode) == ("", "", 3)


def test_fork_after_use_is_a_clear_error(programs: Programs) -> None:
    program = programs.code(
        """
        import asyncio, os, hubless, hubless.sync
        node = hubless.sync.Node.start()
        node.register(lambda: "x", name="one")
        child = os.fork()
        if child == 0:
            for use in (
                lambda: node.request("one"),
                lambda: hubless.sync.Node.start(),
                lambda: asyncio.run(begin()),
            ):
                try:
                    use()
                except hubless.errors.ClosedError as error:
                    assert "fork" in str(error), error
                else:
                    os._exit(4)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert node.request("one").value == "x"
        node.close()
        """.replace(
            "import asyncio, os, hubless, hubless.sync",
            """import asyncio, os, hubless, hubless.sync
        async def begin():
            await hubless.Node.start()""",
        )
    )
    _, err = program.communicate(timeout=30)
    assert program.returncode == 0, err


def test_spawn_after_use_works(programs: Programs, tmp_path: Path) -> None:
    script = tmp_path / "spawns.py"
    script.write_text(
        textwrap.dedent(
            """
            import multiprocessing
            import hubless.sync as hubless
            def child(): print(hubless.request("one").value, flush=True)
            if __name__ == "__main__":
                with hubless.Node.start() as node:
                    node.register(lambda: "from the parent", name="one")
                    for way in ("spawn", "forkserver"):
                        process = multiprocessing.get_context(way).Process(target=child)
                        process.start(); process.join(20)
                        assert process.exitcode == 0
            """
        )
    )
    program = programs.start(str(script))
    out, err = program.communicate(timeout=60)
    assert (out, program.returncode) == ("from the parent\n" * 2, 0), err


async def test_two_processes_talk_directly(node: hubless.Node, programs: Programs) -> None:
    agent = programs.code(AGENT)
    assert line_of(agent.stdout) == "ready"
    peer = await node.peer(tags=["t"], wait=20)
    reply = await peer.request(ms=0)
    assert (reply.value, reply.path) == ("done", "direct")
    assert reply.agent.node_key == peer.node_key != node.node_key


async def test_killed_process_is_gone_and_its_call_fails(
    node: hubless.Node, programs: Programs
) -> None:
    agent = programs.code(AGENT)
    assert line_of(agent.stdout) == "ready"
    peer = await node.peer(tags=["t"], wait=20)
    await peer.request(ms=0)
    call = asyncio.ensure_future(peer.request(ms=60_000))
    begun = [await asyncio.to_thread(line_of, agent.stdout) for _ in range(2)]
    assert begun == ["begun", "begun"]
    os.kill(agent.pid, signal.SIGKILL)
    with pytest.raises(ConnectionError) as raised:
        await asyncio.wait_for(call, 20)
    assert isinstance(raised.value, hubless.Error)
    assert raised.value.kind in ("transport", "unknown_outcome")
    until = time.monotonic() + 20
    while await node.find(tags=["t"], wait=0.0):
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


FORKS = """
import asyncio, os, sys, time, hubless
async def main():
    async with hubless.Node.start() as node:
        @node.agent(tags=["forks"])
        async def work() -> str:
            return "done"
        await node.find("work")
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        print(child, flush=True)
        await node.serve(stdin=True)
asyncio.run(main())
"""


def state_of(process: int) -> str:
    """Gives the letter of Linux: S sleeps, Z has ended."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


async def test_forked_child_does_not_keep_its_dead_parent_alive(
    node: hubless.Node, programs: Programs
) -> None:
    took = []
    for _ in range(5):
        parent = programs.code(FORKS)
        child = int(line_of(parent.stdout))
        try:
            assert [found.name for found in await node.find(tags=["forks"], wait=20)] == ["work"]
            os.kill(parent.pid, signal.SIGKILL)
            began = time.monotonic()
            while await node.find(tags=["forks"], wait=0.0):
                assert time.monotonic() - began < 5
            took.append(time.monotonic() - began)
            # It lives: it has a state, and that is not the one of a process that has ended.
            assert state_of(child) not in "ZX"
        finally:
            os.kill(child, signal.SIGKILL)
            parent.wait()
        if took[-1] < 0.2:
            return
    raise AssertionError(f"a killed parent was seen for {took} seconds")


def test_fork_ends_in_the_child_without_touching_the_parent(programs: Programs) -> None:
    """The child ends as a program does, with all that runs at exit; then the parent goes on."""
    program = programs.code(
        """
        import asyncio, os, sys, time, hubless
        loop = asyncio.new_event_loop()
        async def begin():
            node = await hubless.Node.start()
            @node.agent
            async def one() -> str:
                return "x"
            await hubless.default()
            return node, (await node.request("one")).value
        node, value = loop.run_until_complete(begin())
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            uses = (lambda: node.request("one"), lambda: node.find("one"), hubless.default)
            for use in uses:
                async def ask():
                    return await use()
                try:
                    asyncio.run(ask())
                except hubless.errors.ClosedError as error:
                    assert (error.kind, error.code) == ("closed", "forked"), error
                else:
                    os._exit(4)
            try:
                hubless.inspect_id("one")
            except hubless.errors.ClosedError as error:
                assert error.code == "forked"
                sys.exit(0)
            os._exit(5)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert time.monotonic() - began < 5
        async def again():
            return (await asyncio.wait_for(node.request("one"), 5)).value
        assert loop.run_until_complete(again()) == "x"
        loop.run_until_complete(node.close())
        """
    )
    _, err = program.communicate(timeout=30)
    assert program.returncode == 0, err


def test_hubless_can_be_used_first_in_a_forked_child(programs: Programs) -> None:
    program = programs.code(
        """
        import os, sys, hubless.sync as hubless
        child = os.fork()
        if child == 0:
            with hubless.Node.start() as node:
                node.register(lambda: "from the child", name="one")
                print(node.request("one").value, flush=True)
            sys.exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    out, err = program.communicate(timeout=30)
    assert (out, program.returncode) == ("from the child\n", 0), err


# Longer than the 8 s of silence after which a connection is given up.
BLOCKED_SECONDS = 9.0

BLOCKS = """
import asyncio, time, hubless
async def main():
    async with hubless.Node.start() as node:
        @node.agent
        async def blocks(seconds: float) -> str:
            print("blocked", flush=True)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                pass
            return "as expected"
        await node.find("blocks")
        print("ready", flush=True)
        await node.serve(stdin=True)
asyncio.run(main())
"""


async def test_handler_that_holds_the_interpreter_stops_nobody(
    node: hubless.Node, programs: Programs
) -> None:
    @node.agent
    async def free(n: int) -> int:
        return n + 1

    blocked = programs.code(BLOCKS)
    assert line_of(blocked.stdout) == "ready"
    asked = node.request("blocks", seconds=BLOCKED_SECONDS, options=hubless.Options(wait=20))
    answer = asyncio.ensure_future(asked)
    assert await asyncio.to_thread(line_of, blocked.stdout) == "blocked"
    rounds = 0
    while not answer.done():
        assert (await node.request("free", n=rounds)).value == rounds + 1
        assert len(await node.find("blocks", wait=0.0)) == 1
        rounds += 1
        await asyncio.sleep(0.05)
    reply = await answer
    assert (reply.value, reply.path, reply.attempts) == ("as expected", "direct", 1)
    assert reply.timing.handler_us >= BLOCKED_SECONDS * 1e6
    assert rounds > 10


CONSOLE = """
import hubless, hubless.sync
node = await hubless.Node.start()
@node.agent
async def greet(name: str) -> str:
    return f"hello {name}"

print((await node.request("greet", name="first")).value)
stream = node.stream("greet", name="second")
print([event async for event in stream.events()][-1].value)
blocking = hubless.sync.Node.start()
agent = blocking.register(lambda: "hello third", name="blocking")
print(blocking.request("blocking").value)
blocking.close()
await node.close()
exit()
"""


def test_works_in_a_console_whose_loop_runs_on(programs: Programs) -> None:
    """As in a notebook: each statement is run by a loop that runs all the time."""
    console = programs.start("-m", "asyncio")
    out, err = console.communicate(CONSOLE, timeout=60)
    said = [line for line in out.splitlines() if "hello" in line]
    assert [line.rpartition("hello ")[2] for line in said] == ["first", "second", "third"], err
    assert console.returncode == 0, err


CELLS = """
import hubless
node = await hubless.Node.start()
@node.agent
async def greet(name: str) -> str:
    return f"hello {name}"
agent = await node.register(lambda: "hello second", name="second")
---
print((await node.request("greet", name="first")).value)
print((await node.request("second")).value)
---
await node.close()
try:
    await node.request("greet", name="late")
except hubless.Error as error:
    print("hello", error.kind)
"""

NOTEBOOK = """
import sys
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="python3")
for cell in sys.argv[1].split("---"):
    answer = client.execute_interactive(cell, timeout=60)
    assert answer["content"]["status"] == "ok", answer["content"]
client.stop_channels()
manager.shutdown_kernel(now=True)
"""


def test_works_in_the_cells_of_a_notebook(programs: Programs) -> None:
    """A real kernel, whose loop runs on between cells with ``await`` at their top level."""
    notebook = programs.start("-c", NOTEBOOK, CELLS)
    out, err = notebook.communicate(timeout=90)
    said = [line.rpartition("hello ")[2] for line in out.splitlines() if "hello" in line]
    assert said == ["first", "second", "closed"], err
    assert notebook.returncode == 0, err


USER = """
import asyncio
from collections.abc import AsyncIterator
import hubless

async def rate(pair: str, ctx: hubless.Call) -> float:
    await ctx.progress("looking", 0.5)
    return 1.0862

def words(prompt: str, /) -> list[str]:
    return prompt.split()

async def count(n: int) -> AsyncIterator[str]:
    for number in range(n):
        yield str(number)

async def check(request: hubless.AuthRequest) -> bool:
    return request.credential == "letmein"

async def main() -> None:
    async with hubless.Node.start() as node:
        rules = hubless.Requirements(max_tokens=100, auth=check)
        agent = await node.register(rate, tags=["fx"], requirements=rules)
        await node.register(words)
        @node.agent(tags=["t"])
        async def greet(name: str) -> str:
            return name
        peers = await node.find("rates", filter=hubless.where("tags").contains("fx"))
        reply = await peers[0].request(pair="EURUSD", options=hubless.Options(wait=1.0))
        value: float = reply.into(float)
        async with node.stream("count", n=3) as stream:
            async for chunk in stream:
                print(chunk.text)
        try:
            await node.request(agent.id, value)
        except hubless.Rejected as refusal:
            print(refusal.kind, refusal.retry)
        read: hubless.Identity = hubless.inspect_id(agent.id, "agentId")
        print(read.key)

asyncio.run(main())
"""

WRONG = """
import hubless
async def main(node: hubless.Node) -> None:
    timeout: str = (await node.request("x", 1)).attempts
    await node.find("x", wait="long")
    hubless.inspect_id("x", "colour")
"""


@pytest.mark.parametrize(("code", "errors"), [(USER, 0), (WRONG, 3)], ids=["right", "wrong"])
def test_types_hold_for_a_users_program(
    programs: Programs, tmp_path: Path, code: str, errors: int
) -> None:
    program = tmp_path / "program.py"
    program.write_text(code)
    cache = str(tmp_path / "cache")
    checked = programs.start("-m", "mypy", "--strict", "--cache-dir", cache, str(program))
    out, err = checked.communicate(timeout=240)
    assert err == ""
    found = [line for line in out.splitlines() if ": error:" in line]
    assert len(found) == errors, out
    assert checked.returncode == (1 if errors else 0)
