"""What a client of OpenAI's API is given in a handler.

Owns the record. Must not know what a key may pay: that is the core's. Tested by
``tests/test_provider.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

__all__ = ["Provider"]


@dataclass(frozen=True)
class Provider:
    """Is a base URL and a short-lived key of the node's metering gateway.

    ``OpenAI(base_url=provider.base_url, api_key=provider.api_key)``: from ``expires`` on, an aware
    time, the key begins nothing more.

    >>> @node.agent
    ... async def think(ctx: hubless.Call) -> str:
    ...     provider: hubless.Provider = await ctx.provider(max_output=2_000, max_cost=20_000)
    ...     return provider.base_url
    >>> try:
    ...     await node.request("think")
    ... except hubless.errors.ConfigurationError as error:
    ...     print(error.code)
    no_budget
    """

    base_url: str
    api_key: str = field(repr=False)
    expires: datetime

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Provider:
        """Reads the record of the contract."""
        expires = datetime.fromtimestamp(record["untilMs"] / 1000, timezone.utc)
        return cls(str(record["baseUrl"]), str(record["apiKey"]), expires)
