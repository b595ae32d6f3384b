"""Agents that find each other and talk directly, without a hub.

``Node`` is this program's presence; ``hubless.agent`` and ``hubless.request`` use a default one.
``hubless.sync`` is the blocking twin. Every failure is a ``hubless.Error`` with a kind. Times are
seconds unless a name says otherwise. Examples are written as for ``python -m asyncio``, where
``await`` stands by itself; ``node`` in them is ``await hubless.Node.start()``.
"""

try:
    from ._core import version as _version
except ImportError as error:
    if error.name is None:
        # The library was found, and says itself why it does not work here.
        raise
    import platform
    import sys

    raise ImportError(
        f"hubless has no native library for {sys.platform} on {platform.machine()}: install a "
        "wheel made for it, or build one by `pip install --no-binary hubless hubless`"
    ) from error

from . import errors
from ._default import (
    agent,
    default,
    discover,
    find,
    peer,
    register,
    request,
    send,
    serve,
    stream,
    watch,
)
from .agent import Agent, Health, skill
from .budget import Amounts, Branch, Spent, Stop, Terms
from .call import Call, ThreadCall, current
from .content import Blob, Content, Data, Part, Text, Uri
from .errors import Error, Rejected
from .find import (
    Arrived,
    Changed,
    Departed,
    Filter,
    Lagged,
    Peer,
    Query,
    Signal,
    Snapshot,
    where,
)
from .identity import Identity, IdentityKind, inspect_id, limits
from .killswitch import KillSwitch
from .node import Description, Loaded, Node, join
from .options import (
    Accept,
    AuthRequest,
    Credential,
    Descriptor,
    Interval,
    Options,
    Requirements,
    Retry,
    SharedSecret,
    Skill,
    TokenRule,
    Verdict,
)
from .provider import Provider
from .records import Caller, Chunk, Context, Entry, Page, Progress, Reply, Response, Timing, Usage
from .requests import Stream, Tool
from .schema import decode, schema_of
from .spend import Spend, ThreadSpend

__version__ = _version()

__all__ = [
    "Accept",
    "Agent",
    "Amounts",
    "Arrived",
    "AuthRequest",
    "Blob",
    "Branch",
    "Call",
    "Caller",
    "Changed",
    "Chunk",
    "Content",
    "Context",
    "Credential",
    "Data",
    "Departed",
    "Description",
    "Descriptor",
    "Entry",
    "Error",
    "Filter",
    "Health",
    "Identity",
    "IdentityKind",
    "Interval",
    "KillSwitch",
    "Lagged",
    "Loaded",
    "Node",
    "Options",
    "Page",
    "Part",
    "Peer",
    "Progress",
    "Provider",
    "Query",
    "Rejected",
    "Reply",
    "Requirements",
    "Response",
    "Retry",
    "SharedSecret",
    "Signal",
    "Skill",
    "Snapshot",
    "Spend",
    "Spent",
    "Stop",
    "Stream",
    "Terms",
    "Text",
    "ThreadCall",
    "ThreadSpend",
    "Timing",
    "TokenRule",
    "Tool",
    "Uri",
    "Usage",
    "Verdict",
    "__version__",
    "agent",
    "current",
    "decode",
    "default",
    "discover",
    "errors",
    "find",
    "inspect_id",
    "join",
    "limits",
    "peer",
    "register",
    "request",
    "schema_of",
    "send",
    "serve",
    "skill",
    "stream",
    "watch",
    "where",
]
