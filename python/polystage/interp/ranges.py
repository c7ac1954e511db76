"""Who last touched which bytes: the dependences between instructions through one on-chip memory.

The bytes of a lane are divided into disjoint spans. A span knows when its last write is done, and the reads since: for
each engine the latest. An instruction that reads waits for the writes of all spans it touches (read after write), one
that writes for their reads and writes (write after read, write after write), whichever buffer they belong to, so that
buffers which follow each other at the same addresses are ordered too. An engine does not wait for itself.

Only writes divide spans: a read of a part of what was written at once counts for all of it. So an instruction may be
held for longer than it must, never for shorter.

Not handled: lanes. Two accesses to the same bytes of different lanes are taken to meet.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from polystage.interp.core import Reach

UNORDERED = 4
"""The transfers, which are numbered behind the four compute engines. They may overtake each other."""


class Span:
    """Bytes ``start`` to ``end``. Times are those from which another engine may go on."""

    __slots__ = ("end", "read", "start", "writer", "written")

    def __init__(self, start: int, end: int, written: float, writer: int, read: dict[int, float]) -> None:
        self.start, self.end = start, end
        self.written, self.writer, self.read = written, writer, read


class Ranges:
    """The spans of one memory of ``size`` bytes a lane, in order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._starts = [0]
        self._spans = [Span(0, size, 0.0, -1, {})]

    def over(self, low: int, high: int) -> Sequence[Span]:
        """The spans that hold bytes ``low`` to ``high``."""
        first = bisect_right(self._starts, low) - 1
        span = self._spans[first]
        if span.end >= high:
            return (span,)
        return self._spans[first : bisect_left(self._starts, high)]

    def write(self, low: int, high: int, engine: int, time: float) -> None:
        """Bytes ``low`` to ``high`` are written until ``time``: they become one span."""
        first = bisect_right(self._starts, low) - 1
        last = bisect_left(self._starts, high)
        met = self._spans[first:last]
        parts = [_merged(low, high, engine, time, met)]
        if met[0].start < low:
            parts.insert(0, _part(met[0], met[0].start, low))
        if met[-1].end > high:
            parts.append(_part(met[-1], high, met[-1].end))
        self._spans[first:last] = parts
        self._starts[first:last] = [part.start for part in parts]


class Touch:
    """Runs of bytes that an instruction reads, or one run that it writes, at the place the loops say.

    ``ready`` asks from when they may be used, ``done`` notes until when they are: first ``ready`` of all touches of an
    instruction, then ``done`` of all, the writes last. Both are written for speed: they run some 10^6 times.
    """

    __slots__ = ("_base", "_env", "_low", "_pieces", "_pitch", "_ranges", "_spans", "_terms", "_width", "writes")

    def __init__(self, ranges: Ranges, reach: Reach, env: Sequence[int], writes: bool) -> None:
        assert len(reach.pieces) == 1 or not writes
        self.writes = writes
        self._ranges, self._env, self._terms, self._pitch = ranges, env, reach.terms, ranges.size
        first, self._width = reach.pieces[0][0], reach.pieces[-1][1] - reach.pieces[0][0]
        self._base, self._pieces = reach.base + first, [(low - first, high - first) for low, high in reach.pieces]
        self._low = 0
        self._spans: Sequence[Span] = ()

    def ready(self, engine: int) -> float:
        """When ``engine`` may use the bytes."""
        low = self._base
        for slot, factor in self._terms:
            low += factor * self._env[slot]
        low %= self._pitch
        self._low = low
        spans = self._ranges.over(low, low + self._width)
        if len(spans) > 1 and len(self._pieces) > 1:
            spans = [span for start, end in self._pieces for span in self._ranges.over(low + start, low + end)]
        self._spans = spans
        latest = 0.0
        for span in spans:
            if span.written > latest and span.writer != engine:
                latest = span.written
            if self.writes and span.read:
                for reader, time in span.read.items():
                    if time > latest and reader != engine:
                        latest = time
        return latest

    def done(self, engine: int, time: float) -> None:
        """``engine`` uses the bytes until ``time``, as others see it."""
        if self.writes:
            span = self._spans[0]
            if span.start == self._low and span.end == self._low + self._width and engine != UNORDERED:
                span.written, span.writer = time, engine
                if span.read:
                    span.read.clear()
            else:
                self._ranges.write(self._low, self._low + self._width, engine, time)
            return
        for span in self._spans:
            if span.read.get(engine, 0.0) < time:
                span.read[engine] = time


def _part(span: Span, start: int, end: int) -> Span:
    return Span(start, end, span.written, span.writer, dict(span.read))


def _merged(low: int, high: int, engine: int, time: float, met: Sequence[Span]) -> Span:
    """What is left to wait for after a write over ``met``: transfers that it did not wait for end when they end."""
    read = dict[int, float]()
    if engine == UNORDERED:
        time = max([time, *(span.written for span in met if span.writer == engine)])
        reads = [span.read[engine] for span in met if engine in span.read]
        read = {engine: max(reads)} if reads else read
    return Span(low, high, time, engine, read)
