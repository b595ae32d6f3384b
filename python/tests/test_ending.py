"""How programs end: with threads that live, at Ctrl-C, at a signal; and where none can begin."""

from __future__ import annotations

import select
import signal
import subprocess
import time
from pathlib import Path

import pytest
from programs import Programs, line_of

# What a clean end may take, whatever still runs.
END_SECONDS = 5

LEAVES = {
    "a node on a loop": """
        import asyncio, threading, hubless
        async def main():
            node = await hubless.Node.start()
            loop, running = asyncio.get_running_loop(), asyncio.Event()
            @node.agent
            def sleeps():
                loop.call_soon_threadsafe(running.set)
                threading.Event().wait(600)
            asyncio.ensure_future(node.request("sleeps"))
            await running.wait()
            print("leaving", flush=True)
        asyncio.run(main())
    """,
    "a blocking node": """
        import contextlib, threading, hubless.sync
        node, running = hubless.sync.Node.start(), threading.Event()
        @node.agent
        def sleeps():
            running.set()
            threading.Event().wait(600)
        def asks():
            # It may hear that the node ended before the interpreter does.
            with contextlib.suppress(hubless.errors.ClosedError):
                node.request("sleeps")
        threading.Thread(target=asks, daemon=True).start()
        running.wait()
        print("leaving", flush=True)
    """,
    "the default node": """
        import contextlib, threading, hubless.sync
        running = threading.Event()
        @hubless.sync.default().agent
        def sleeps():
            running.set()
            threading.Event().wait(600)
        def asks():
            # It is closed before the interpreter ends, which fails what is open.
            with contextlib.suppress(hubless.errors.ClosedError):
                hubless.sync.request("sleeps")
        threading.Thread(target=asks, daemon=True).start()
        running.wait()
        print("leaving", flush=True)
    """,
    "threads that call all the time": """
        import contextlib, threading, hubless.sync
        node, running = hubless.sync.Node.start(), threading.Semaphore(0)
        node.register(lambda n: n, name="same")
        def calls():
            # The node ends before the interpreter does, which fails what is open.
            with contextlib.suppress(hubless.errors.ClosedError):
                while True:
                    assert node.request("same", n=1).value == 1
                    running.release()
        for _ in range(4):
            threading.Thread(target=calls, daemon=True).start()
        for _ in range(40):
            running.acquire()
        print("leaving", flush=True)
    """,
}


@pytest.mark.parametrize("what", LEAVES)
@pytest.mark.parametrize("wake", ["eventfd", "thread"])
def test_live_threads_do_not_hold_the_exit(
    programs: Programs, what: str, wake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBLESS_PYTHON_WAKE", wake)
    program = programs.code(LEAVES[what])
    assert line_of(program.stdout) == "leaving"
    began = time.monotonic()
    _, err = program.communicate(timeout=20)
    assert (program.returncode, err) == (0, "")
    assert time.monotonic() - began < END_SECONDS


WORKS = """
import asyncio, hubless
async def main():
    async with hubless.Node.start() as node:
        @node.agent(tags=["t"])
        async def work(forever: bool) -> str:
            print("works", flush=True)
            try:
                if forever:
                    await asyncio.Event().wait()
            except asyncio.CancelledError:
                print("cancelled", flush=True)
                raise
            return "done"
        await node.serve(stdin=True)
asyncio.run(main())
"""


def test_ctrl_c_gives_up_the_call_and_the_program_may_go_on(programs: Programs) -> None:
    agent = programs.code(WORKS)
    caller = programs.code(
        """
        import hubless.sync as hubless
        work = hubless.peer(tags=["t"], wait=10)
        try:
            work(forever=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        input()
        print(work(forever=False), flush=True)
        """
    )
    assert line_of(agent.stdout) == "works"
    caller.send_signal(signal.SIGINT)
    assert line_of(caller.stdout) == "interrupted"
    assert agent.stdout is not None
    assert select.select([agent.stdout], [], [], 10)[0], "the handler goes on"
    assert line_of(agent.stdout) == "cancelled"
    out, err = caller.communicate("\n", timeout=20)
    assert (out, err, caller.returncode) == ("done\n", "", 0)
    assert line_of(agent.stdout) == "works"


SERVES = {
    "a blocking node": """
        import hubless.sync
        with hubless.sync.Node.start() as node:
            node.register(lambda: "x", name="one")
            print("serving", flush=True)
            node.serve()
            print("served", flush=True)
    """,
    "the default node": """
        import hubless
        @hubless.agent
        def one() -> str:
            return "x"
        print("serving", flush=True)
        hubless.serve()
        print("served", flush=True)
    """,
}


def listens(program: subprocess.Popen[str], number: signal.Signals) -> bool:
    """Says whether a program handles a signal itself."""
    status = Path(f"/proc/{program.pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (number - 1) & 1)


@pytest.mark.parametrize("what", SERVES)
def test_serving_ends_at_sigterm(programs: Programs, what: str) -> None:
    program = programs.code(SERVES[what])
    assert line_of(program.stdout) == "serving"
    until = time.monotonic() + 20
    while not listens(program, signal.SIGTERM):
        assert time.monotonic() < until
        time.sleep(0.01)
    began = time.monotonic()
    program.send_signal(signal.SIGTERM)
    out, err = program.communicate(timeout=20)
    assert (out, err, program.returncode) == ("served\n", "", 0)
    assert time.monotonic() - began < END_SECONDS


def test_a_second_interpreter_of_the_process_is_refused_by_name(programs: Programs) -> None:
    program = programs.code(
        """
        import hubless.sync
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        second = interpreters.create()
        interpreters.run_string(second, '''if True:
            try:
                import hubless
            except ImportError as error:
                print("refused:", error, flush=True)
            else:
                print("imported", flush=True)
        ''')
        with hubless.sync.Node.start() as node:
            node.register(lambda: "the first goes on", name="one")
            print(node.request("one").value)
        """
    )
    out, err = program.communicate(timeout=30)
    assert program.returncode == 0, err
    refused, goes_on = out.splitlines()
    assert refused.startswith("refused: hubless works in one interpreter of a process")
    assert goes_on == "the first goes on"
