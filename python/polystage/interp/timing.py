"""Modelled time of an executed program: every engine plays its own instructions, transfers are issued beside them.

The streams. Each compute engine (tensor, vector, scalar, gpsimd) takes its instructions in program order, one at a
time. One further stream issues transfers, in program order too: a start is held by the instructions whose data it
reads or overwrites, and by a free queue; ``dma_wait`` holds the stream until its transfer has landed. What happens to a
transfer after it is issued is told in ``channels``, how long an instruction takes in ``durations``.

The dependences. An instruction begins when its engine is free and the bytes it touches are ready (``ranges``): so a
wait holds the instructions that use the data, and no others. Waiting for another engine or for a transfer costs the
target's semaphore latency besides. Two transfers are ordered by waits alone, which is all there is to order them:
one that touches the data of another in flight is a race, and faults. The stationary operand of a product is loaded
while the product before it runs, when it is ready by then. Vector and scalar engine cannot use PSUM in the same cycle
(TARGETS.md): an instruction of one that does waits for those of the other that come before it in the program.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from polystage.interp.busy import Intervals, covered
from polystage.interp.channels import Channels
from polystage.interp.core import Site
from polystage.interp.durations import load_of, work_of
from polystage.interp.memory import Array, Memory
from polystage.interp.ranges import UNORDERED, Ranges, Touch
from polystage.machine import Machine

ENGINES = ("tensor", "vector", "scalar", "gpsimd")
"""The compute engines; their numbers are their places here, and transfers are numbered behind them."""

_SHARING = (ENGINES.index("vector"), ENGINES.index("scalar"))
"""Engines that take turns in PSUM."""


@dataclass(frozen=True)
class Event:
    """One instruction as it was played, in microseconds; ``queue`` is -1 for those of a compute engine."""

    site: Site
    queue: int
    begin: float
    end: float


@dataclass(frozen=True)
class Times:
    """Microseconds on the modelled machine.

    ``busy_us`` by engine, and under ``dma`` that of the transfers, as if all DMA engines carried each. ``lanes`` is, by
    engine, the mean share of the lanes that work while the engine does. ``exposed_dma_us`` is the time in which
    transfers are in flight and no compute engine works.
    """

    modelled_us: float
    busy_us: Mapping[str, float]
    lanes: Mapping[str, float]
    exposed_dma_us: float


class Timeline:
    """Listener that plays the executed instructions on ``machine``; with ``trace`` it keeps them as ``events``."""

    def __init__(self, machine: Machine, trace: bool = False) -> None:
        self.machine = machine
        self.events: list[Event] | None = [] if trace else None
        self._semaphore = machine.semaphore_ns / 1e3
        self._issue = 0.0
        self._channels = Channels(machine)
        self._flying = Intervals()
        self._engines = tuple([_Engine(number) for number in range(len(ENGINES))])
        self._landing: dict[int, float] = {}
        self._plays: dict[Site, _Play] = {}
        self._ranges: dict[Memory, Ranges] = {}
        self._end = 0.0
        self._port = dict.fromkeys(_SHARING, 0.0)

    def __call__(self, site: Site, views: Sequence[Array], transfer: int) -> None:
        """Play one executed instruction."""
        play = self._plays.get(site)
        if play is None:
            play = self._plays[site] = self._decode(site, views)
        play(transfer)

    def times(self) -> Times:
        """The times so far."""
        worked = [(name, engine) for name, engine in zip(ENGINES, self._engines, strict=True) if engine.busy_us]
        busy = {name: engine.busy_us for name, engine in worked}
        if self._channels.busy_us:
            busy["dma"] = self._channels.busy_us
        computing = [engine.busy for _, engine in worked]
        exposed = covered([*computing, self._flying]) - (covered(computing) if computing else 0.0)
        end = max([self._end, *(engine.free for engine in self._engines)])
        return Times(end, busy, {name: engine.lanes_us / engine.busy_us for name, engine in worked}, exposed)

    def _decode(self, site: Site, views: Sequence[Array]) -> "_Play":
        if site.op == "dma_wait":
            return self._wait
        if site.engine == "dma":
            return self._transfer(site, views)
        return self._work(site, views)

    def _wait(self, transfer: int) -> None:
        self._issue = max(self._issue, self._landing.pop(transfer) + self._semaphore)

    def _transfer(self, site: Site, views: Sequence[Array]) -> "_Play":
        load = load_of(site, views, self.machine)
        touches, channels, semaphore = self._touches(site), self._channels, self._semaphore

        def play(transfer: int) -> None:
            free = max([self._issue, *(touch.ready(UNORDERED) for touch in touches)])
            flight = channels.carry(free, load)
            self._issue, end = flight.begin, flight.landed
            self._landing[transfer] = end
            self._end = max(self._end, end)
            self._flying.add(flight.begin, end)
            for touch in touches:
                touch.done(UNORDERED, end + semaphore)
            if self.events is not None:
                self.events.append(Event(site, flight.queue, flight.begin, end))

        return play

    def _work(self, site: Site, views: Sequence[Array]) -> "_Play":
        work, engine = work_of(site, views, self.machine), self._engines[ENGINES.index(site.engine)]
        number, cost, load_us, semaphore = engine.number, work.us, work.load_us, self._semaphore
        touches = self._touches(site)
        stationary, *others = touches
        lanes_us = work.us * work.lanes
        port = self._port if number in _SHARING and any(each.memory == "psum" for each in site.operands) else None

        def play(_transfer: int) -> None:
            begin = max(engine.began, stationary.ready(number)) + load_us
            if engine.free > begin:
                begin = engine.free
            for touch in others:
                time = touch.ready(number)
                if time > begin:
                    begin = time
            if port is not None:
                begin = max(begin, *(time for other, time in port.items() if other != number))
                port[number] = begin + cost
            end = begin + cost
            engine.began, engine.free = begin, end
            engine.busy_us += cost
            engine.lanes_us += lanes_us
            engine.busy.add(begin, end)
            for touch in touches:
                touch.done(number, end + semaphore)
            if self.events is not None:
                self.events.append(Event(site, -1, begin, end))

        return play

    def _touches(self, site: Site) -> list[Touch]:
        """The on-chip accesses of an instruction, writes last; those to DRAM are ordered by waits."""
        touches: list[Touch] = []
        for operand in site.operands:
            if operand.reach is not None:
                memory, writes = operand.buffer.memory, operand.kind == "write"
                if memory not in self._ranges:
                    self._ranges[memory] = Ranges(memory.pitch)
                parts = operand.reach.apart() if writes else [operand.reach]
                touches += [Touch(self._ranges[memory], part, site.env, writes) for part in parts]
        return sorted(touches, key=lambda touch: touch.writes)


_Play = Callable[[int], None]


class _Engine:
    """A compute engine: when it is free, when its latest instruction began, and what it has done."""

    __slots__ = ("began", "busy", "busy_us", "free", "lanes_us", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.began = self.free = self.busy_us = self.lanes_us = 0.0
        self.busy = Intervals()
