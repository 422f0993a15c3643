"""How each fault is done, and undone, to a running world."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import monotonic

from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelNotFoundEntity

from common.broker import Topology, connect
from tests.support.alterations.failpoints import STEPS, armed
from tests.support.fault_proxy import FaultProxy
from tests.support.ledger.books import Asleep
from tests.support.ledger.nemesis import DIE, Blow
from tests.support.ledger.programs import Kept, send
from tests.support.ledger.servers import Server
from tests.support.ledger.world import World

_EMPTY_S = 8.0
"""How long a queue may take to be empty, before it is left as it is."""
_TOPOLOGY = Topology("ledger")


class Blows:
    """Deals them to one world, and remembers when a gateway could not write."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._busy: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.asleep: list[Asleep] = []
        self.dealt: list[str] = []

    async def deal(self, blow: Blow) -> None:
        """At its time, and when what it acts on is free; returns once it is over."""
        await asyncio.sleep(blow.at_s)
        async with AsyncExitStack() as exits:
            for place in sorted(blow.fault.places):
                await exits.enter_async_context(self._busy[place])
            await self._deal(blow)

    async def _deal(self, blow: Blow) -> None:
        self.dealt.append(blow.fault.name)
        what, _, whom = blow.fault.name.partition(" ")
        if whom in self._world.ways:
            await _block(self._world.ways[whom], what, blow.lasts_s)
            return
        if what == DIE:
            await self._arm(whom, blow.lasts_s)
            return
        match whom:
            case "a worker" | "the gateway" | "a consumer":
                await self._hit(what, whom, blow.lasts_s)
            case "the disk":
                async with self._sleeping():
                    await asyncio.to_thread(self._world.disk.fill)
                    await asyncio.sleep(blow.lasts_s)
                    self._world.disk.ease()
            case "the queue":
                await self._unqueue(what)
            case "the broker":
                await self._serve_badly(self._world.rabbit, what, blow.lasts_s)
            case "the database":
                await self._serve_badly(self._world.postgres, what, blow.lasts_s)

    # --- programs

    async def _hit(self, what: str, whom: str, lasts_s: float) -> None:
        pids = self._chosen(whom)
        if what == "freeze":
            async with self._sleeping():
                for pid in pids:
                    send(pid, signal.SIGSTOP)
                await asyncio.sleep(lasts_s)
                for pid in pids:
                    send(pid, signal.SIGCONT)
        else:
            number = signal.SIGKILL if what == "kill" else signal.SIGTERM
            for pid in pids if what == "kill" else pids[:1]:
                send(pid, number)

    async def _arm(self, name: str, lasts_s: float) -> None:
        [step] = [step for step in STEPS if step.name == name]
        with armed(self._world.failpoints, step) as hit, suppress(TimeoutError):
            async with asyncio.timeout(lasts_s):
                while not hit.exists():  # noqa: ASYNC110 - the dead tell nobody
                    await asyncio.sleep(0.02)
                self.dealt.append("died of it")

    def _chosen(self, whom: str) -> list[int]:
        world = self._world
        if whom == "a worker":
            return world.gateway.worker()
        if whom == "the gateway":
            return world.gateway.pids()
        if world.embedded:
            return world.gateway.consumer()
        one: Kept = world.random.choice(world.consumers)
        return one.pids()

    @asynccontextmanager
    async def _sleeping(self) -> AsyncIterator[None]:
        begin = monotonic()
        try:
            yield
        finally:
            self.asleep.append(Asleep(begin, monotonic()))

    # --- servers

    async def _serve_badly(self, server: Server, what: str, lasts_s: float) -> None:
        if what == "alarm":
            await asyncio.to_thread(self._world.rabbit.short_of_memory, True)
            await asyncio.sleep(lasts_s)
            await asyncio.to_thread(self._world.rabbit.short_of_memory, False)
        elif what == "freeze":
            server.signal(signal.SIGSTOP)
            await asyncio.sleep(lasts_s)
            server.signal(signal.SIGCONT)
        else:
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(lasts_s)
            server.start()
            await server.answers()

    async def _unqueue(self, what: str) -> None:
        """Only while it is empty: who deletes a queue deletes what is in it, and nobody can help.
        Unbound, it takes nothing more, and publishers are told."""
        async with await connect(self._world.rabbit.url, "nemesis") as connection:
            channel = await connection.channel()
            with suppress(ChannelNotFoundEntity, TimeoutError):  # nobody has made it again yet
                if what == "delete":
                    await self._delete(channel)
                else:
                    queue = await channel.get_queue(_TOPOLOGY.queue, ensure=False)
                    await queue.unbind(_TOPOLOGY.exchange, _TOPOLOGY.routing_key)

    async def _delete(self, channel: AbstractChannel) -> None:
        """Raises TimeoutError."""
        publishers = self._world.ways["gateway-broker"]
        consumers = self._world.ways["consumer-broker"]
        publishers.refuse()  # no confirm arrives of what we delete
        try:
            async with asyncio.timeout(_EMPTY_S):
                while True:
                    consumers.refuse()  # what they hold goes back, and counts
                    await asyncio.sleep(0.3)
                    queue = await channel.declare_queue(_TOPOLOGY.queue, passive=True)
                    found = queue.declaration_result
                    if not (found.message_count or found.consumer_count):
                        await channel.queue_delete(_TOPOLOGY.queue)
                        return
                    if not found.consumer_count:
                        consumers.heal()
                        await asyncio.sleep(0.5)
        finally:
            consumers.heal()
            publishers.heal()


async def _block(way: FaultProxy, what: str, lasts_s: float) -> None:
    match what:
        case "cut":
            way.cut()
        case "refuse":
            way.refuse()
        case "freeze":
            way.freeze()
        case "delay":
            way.delay(0.1)
        case "lose-answers":
            way.lose_answers()
        case "half-open":
            way.half_open()
    await asyncio.sleep(lasts_s)
    way.heal()
