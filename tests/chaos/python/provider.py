"""Stands for a model: writes every spending to its own file before it answers.

See ``tests/chaos/CHAOS.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import random
import sys

# How long a model takes, so that many calls are with it at any moment.
LEAST_SECONDS, MOST_SECONDS = 0.002, 0.02


class Provider:
    """Serves the handlers of all agents, one connection for each."""

    def __init__(self, book: str, seed: int) -> None:
        self.book = os.open(book, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.chance = random.Random(seed)
        self.running: collections.Counter[str] = collections.Counter()
        self.cut: collections.Counter[str] = collections.Counter()

    def note(self, *words: object) -> None:
        """Writes a line; who is answered afterwards can rely on it."""
        os.write(self.book, (" ".join(map(str, words)) + "\n").encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes the lines of one handler, from its begin to its end."""
        language, label = "", ""
        try:
            while line := (await reader.readline()).decode():
                verb, *words = line.split()
                if verb == "call":
                    language, label = words
                    self.running[language] += 1
                    self.note("call", language, label)
                    writer.write(b"ok\n")
                elif verb == "spend":
                    writer.write((await self.spend(language, label, *map(int, words))).encode())
                elif verb == "done":
                    self.running[language] -= 1
                    language = ""
        except ConnectionError:
            # Its process was killed.
            pass
        finally:
            if language:
                self.running[language] -= 1
                self.cut[language] += 1
            writer.close()

    async def spend(self, language: str, label: str, most_in: int, most_out: int) -> str:
        """Writes the most before it begins, and what it took once it is over."""
        self.note("begin", language, label, most_in, most_out)
        await asyncio.sleep(self.chance.uniform(LEAST_SECONDS, MOST_SECONDS))
        took = self.chance.randint(1, most_in), self.chance.randint(1, most_out)
        self.note("end", language, label, *took)
        return "{} {}\n".format(*took)

    def told(self) -> str:
        """Says how many handlers run, and how many ended without a word."""
        return json.dumps({"running": self.running, "cut": self.cut})


async def main(socket: str, book: str, seed: int) -> None:
    provider = Provider(book, seed)
    await asyncio.start_unix_server(provider.serve, socket, backlog=1024)
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    print(json.dumps({"event": "ready"}), flush=True)
    while await lines.readline():
        print(provider.told(), flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--socket", required=True)
    arguments.add_argument("--book", required=True)
    arguments.add_argument("--seed", type=int, required=True)
    asyncio.run(main(**vars(arguments.parse_args())))
