"""A debugger stops the processes: their calls end, typed, and the same processes serve on."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from caller import Caller
from subjects import LANGUAGES, Subjects

# Longer than the 8 s of silence after which a connection is given up.
STOPPED_SECONDS = float(os.environ.get("HUBLESS_TEST_STOPPED_SECONDS", "10"))
SILENT = {"transport", "unknown_outcome", "deadline"}


async def test_processes_that_were_stopped_serve_on(caller: Caller, subjects: Subjects) -> None:
    running = [subjects.running(language) for language in LANGUAGES]
    for subject in running:
        await caller.meets(subject)
    before = [await caller.stats(subject) for subject in running]
    pending = [await caller.holds(subject) for subject in running]
    began = time.monotonic()
    for subject in running:
        subject.signal(signal.SIGSTOP)
    try:
        # The control: what is stopped does not answer, and its peers do notice.
        for call in pending:
            await call.lost(SILENT)
        await asyncio.sleep(max(0.0, began + STOPPED_SECONDS - time.monotonic()))
    finally:
        for subject in running:
            subject.signal(signal.SIGCONT)
    for subject, counted in zip(running, before, strict=True):
        await caller.serves_further(subject)
        await caller.settles(subject, handles=counted["handles"])
        assert subject.alive(), subject.said()
