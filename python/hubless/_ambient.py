"""What code belongs to without being told: the call it handles, and the switches it is under.

Owns the two context variables. Must not know calls or switches. What the library starts by
itself, handlers above all, begins outside of both: otherwise it would belong to whoever
happened to start the node. Tested by ``tests/test_ambient.py``.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .call import Call
    from .killswitch import KillSwitch

call: contextvars.ContextVar[Call | None] = contextvars.ContextVar("hubless", default=None)
switches: contextvars.ContextVar[tuple[KillSwitch, ...]] = contextvars.ContextVar(
    "hubless_switches", default=()
)


def outside() -> contextvars.Context:
    """Gives a copy of this context that belongs to no call and is under no switch."""
    context = contextvars.copy_context()
    context.run(_leave)
    return context


def _leave() -> None:
    # Not by tokens: the values themselves must not be kept alive by the copy.
    call.set(None)
    switches.set(())


def switch() -> KillSwitch | None:
    """Gives the innermost switch that this code is under."""
    under = switches.get()
    return under[-1] if under else None
