"""Conformance runner of Python, as `tests/conformance/SUBJECT.md` says.

`serve --name python` hosts the subjects, `call --to <language> --cases <path>` runs cases. Uses
the public API of the package only; stdout carries JSON lines.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from cases import Runner
from subjects import register

import hubless


OWN = "own"
"""What is called where the subjects are in the node of the caller itself."""


def show(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=False, default=str), flush=True)


async def serve(name: str) -> int:
    async with hubless.Node.start() as node:
        await register(node, name)
        show({"ready": name, "nodeKey": node.node_key})
        await node.serve(stdin=True)
    return 0


async def call(to: str, cases: Path, only: list[str]) -> int:
    passed = failed = 0
    async with hubless.Node.start() as node:
        if to == OWN:
            await register(node, to)
        runner = Runner(node, to)
        await runner.wait_for_subject()
        for case in read(cases):
            if only and case["id"] not in only:
                continue
            if case.get("waits"):
                await asyncio.to_thread(sys.stdin.readline)
            line = await runner.run(case)
            passed, failed = passed + line["ok"], failed + (not line["ok"])
            show(line)
    show({"passed": passed, "failed": failed})
    return 0 if passed and not failed else 1


def read(path: Path) -> list[dict[str, Any]]:
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    return [case for file in files for case in json.loads(file.read_text("utf-8"))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    modes = parser.add_subparsers(dest="mode", required=True)
    serving = modes.add_parser("serve")
    serving.add_argument("--name", default="python")
    calling = modes.add_parser("call")
    calling.add_argument("--to", required=True)
    calling.add_argument("--cases", type=Path, required=True)
    calling.add_argument("--only", default="")
    given = parser.parse_args()
    if given.mode == "serve":
        return asyncio.run(serve(given.name))
    only = [one for one in given.only.split(",") if one]
    return asyncio.run(call(given.to, given.cases, only))


if __name__ == "__main__":
    sys.exit(main())
