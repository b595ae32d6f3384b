"""What a case may do besides asking: stores, own agents, finding, sending."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from endurance import Endurance

import hubless
from hubless import Requirements

EVENT_WAIT_SECONDS = 20.0
DONE = {"done": True}

Outcome = dict[str, Any]
Step = Callable[[], Awaitable[Any]]


class Operations:
    """Runs the actions that are not requests, through one node."""

    def __init__(self, node: hubless.Node) -> None:
        self.node = node
        self.own: dict[str, hubless.Agent] = {}
        self.runs: Counter[str] = Counter()
        self.words: dict[str, Callable[[Any], Awaitable[Outcome]]] = {
            "templateSet": self.template_set,
            "templateRemove": self.template_remove,
            "templateList": self.template_list,
            "credentialSet": self.credential_set,
            "credentialRemove": self.credential_remove,
            "pinSet": self.pin_set,
            "pinRemove": self.pin_remove,
            "pinList": self.pin_list,
            "register": self.register,
            "unregister": self.unregister,
            "ownRuns": self.own_runs,
            "describe": self.describe,
            "list": self.list,
            "load": self.load,
            **Endurance(node).words,
        }

    async def template_set(self, given: Any) -> Outcome:
        await self.node.templates.set(given["name"], given["template"])
        return DONE

    async def template_remove(self, name: Any) -> Outcome:
        await self.node.templates.remove(name)
        return DONE

    async def template_list(self, _: Any) -> Outcome:
        listed = await self.node.templates.list()
        return {"found": list(listed)}

    async def credential_set(self, given: Any) -> Outcome:
        await self.node.credentials.set(given["target"], given["secret"])
        return DONE

    async def credential_remove(self, target: Any) -> Outcome:
        await self.node.credentials.remove(target)
        return DONE

    async def pin_set(self, given: Any) -> Outcome:
        await self.node.pins.set(given["name"], given["agentId"])
        return DONE

    async def pin_remove(self, name: Any) -> Outcome:
        await self.node.pins.remove(name)
        return DONE

    async def pin_list(self, _: Any) -> Outcome:
        return {"value": {pin.name: pin.agent_id for pin in await self.node.pins.list()}}

    async def register(self, given: Any) -> Outcome:
        name, rules = given["name"], given.get("requirements", {})

        async def own() -> str:
            self.runs[name] += 1
            return "own"

        requirements = Requirements(
            max_request_bytes=rules.get("maxRequestBytes"),
            allow_external_connections=rules.get("allowExternalConnections"),
        )
        described = hubless.Descriptor(needs=given.get("needs"))
        self.own[name] = await self.node.register(
            own,
            name=name,
            descriptor=described,
            requirements=requirements,
            identity=given.get("identity"),
            replica=given.get("replica", False),
        )
        return DONE

    async def unregister(self, name: Any) -> Outcome:
        await self.own.pop(name).unregister()
        return DONE

    async def own_runs(self, name: Any) -> Outcome:
        return {"value": self.runs[name]}

    async def describe(self, name: Any) -> Outcome:
        described = await self.node.describe(name)
        skills = list(described.skills)
        return {"value": {"descriptor": dict(described.descriptor), "skills": skills}}

    async def list(self, scope: Any) -> Outcome:
        return found(await self.node.list_agents(scope))

    async def load(self, descriptors: Any) -> Outcome:
        loaded = await self.node.load_agents(descriptors)
        refused = [error.kind for error in loaded.refused]
        return {"value": {"loaded": loaded.loaded, "refused": refused}}

    async def discover(self, query: hubless.Query) -> Outcome:
        discovery = self.node.discover(query)
        peer = await asyncio.wait_for(anext(discovery), EVENT_WAIT_SECONDS)
        await discovery.close()
        return found([peer])

    async def watch(self, query: hubless.Query, steps: Sequence[Step]) -> Outcome:
        """The snapshot first, then one event for each step."""
        events: list[list[str]] = []
        watch = self.node.watch(query)
        await asyncio.wait_for(anext(watch), EVENT_WAIT_SECONDS)
        for step in steps:
            await step()
            seen = await asyncio.wait_for(anext(watch), EVENT_WAIT_SECONDS)
            events.append(event_of(seen))
        await watch.close()
        return {"events": events}


def event_of(seen: Any) -> list[str]:
    if isinstance(seen, hubless.Departed):
        return ["departed", seen.name]
    return [type(seen).__name__.lower(), seen.peer.name]


def found(peers: Any) -> Outcome:
    return {"found": [peer.name for peer in peers]}
