"""The programs that go through the faults: started, stopped, killed, and ended with the tests."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LANGUAGES = ("python", "node", "kotlin", "c")
# Only proves that nothing hangs.
PATIENCE = 30
# What a subject may take for itself when its memory has a bound.
ROOM_BYTES = 256 << 20


def command(language: str, small: bool) -> list[str]:
    """Gives what starts a subject; ``small``: its memory has a bound of its own."""
    if language == "python":
        return [sys.executable, str(HERE / "programs/subject.py")]
    if language == "node":
        flags = ["--max-old-space-size=48"] if small else []
        return ["node", *flags, str(HERE / "programs/subject.mjs")]
    if language == "kotlin":
        paths = (ROOT / "kotlin/target/classpath.txt").read_text().strip()
        bound = "-Xmx64m" if small else "-Xmx256m"
        tuning = [bound, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        return ["java", *tuning, "-cp", paths, "dev.hubless.boundary.SubjectKt"]
    return [os.environ.get("HUBLESS_BOUNDARY_C", str(ROOT / "target/c/boundary"))]


class Subject:
    """Is one process of one language."""

    def __init__(self, language: str, home: Path, small: bool) -> None:
        self.language = language
        self.errors = home / f"{language}.log"
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                command(language, small),
                env={
                    **os.environ,
                    "HUBLESS_HOME": str(home),
                    "HUBLESS_LOG": "off",
                    "PYTHONPATH": str(ROOT / "python"),
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            word, _, self.node_key = self.line().partition(" ")
            assert word == "ready", self.said()
            if small and language in ("python", "c"):
                self.bound()
        except BaseException:
            self.close()
            raise

    def line(self) -> str:
        assert self.process.stdout is not None
        # Lines come one by one: what is there to read is not in a buffer of ours.
        assert select.select([self.process.stdout], [], [], PATIENCE)[0], self.said()
        return self.process.stdout.readline().strip()

    def said(self) -> str:
        """Gives what it wrote beside its answers."""
        return f"{self.language}: {self.errors.read_text('utf-8', 'replace')[-2_000:]}"

    def name(self, agent: str) -> str:
        return f"{self.language}.{agent}"

    def bound(self) -> None:
        """Leaves it little more memory than it has taken by now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + ROOM_BYTES
        resource.prlimit(self.process.pid, resource.RLIMIT_AS, (most, most))

    def alive(self) -> bool:
        return self.process.poll() is None

    def ends(self) -> int:
        """Waits for its end and gives its status, below 0 for a signal."""
        return self.process.wait(PATIENCE)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> tuple[str, int]:
        """Ends its input; gives the last line that it prints, and its status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.line(), self.ends()

    def close(self) -> None:
        """Ends it in any case."""
        self.process.kill()
        # What was closed before may be closed again; nothing is read.
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self.process.wait(PATIENCE)


class Subjects:
    """Holds at most one subject of each language, all of one home."""

    def __init__(self, home: Path) -> None:
        # Theirs too, without code of ours between fork and exec, where other threads hold locks: a
        # core is of no use here, and a heap is large.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        self.home = home
        self.all: dict[str, Subject] = {}

    def running(self, language: str) -> Subject:
        """Gives the one that runs, or starts one."""
        subject = self.all.get(language)
        if subject is None or not subject.alive():
            self.kill(language)
            subject = self.all[language] = Subject(language, self.home, small=False)
        return subject

    def bounded(self, language: str) -> Subject:
        """Starts one whose memory has a bound."""
        self.kill(language)
        subject = self.all[language] = Subject(language, self.home, small=True)
        return subject

    def kill(self, language: str) -> None:
        subject = self.all.pop(language, None)
        if subject is not None:
            subject.close()

    def end(self) -> None:
        for language in list(self.all):
            self.kill(language)
