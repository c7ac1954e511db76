"""Dependences by byte ranges, against a record of every access."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from polystage.interp.core import Reach
from polystage.interp.ranges import UNORDERED, Ranges, Touch

SIZE = 12
CELL = 3
FIRST = Reach(0, (), ((0, 4),))
ENGINES = range(3)

Access = tuple[int, int, bool]
"""First byte, end, whether written."""
Instruction = tuple[int, int, list[Access]]
"""Engine, duration, accesses: reads, then at most one write."""

SPANS = st.tuples(st.integers(0, SIZE - 1), st.integers(1, SIZE)).map(lambda p: (p[0], min(SIZE, p[0] + p[1])))
CELLS = st.integers(0, SIZE // CELL - 1).map(lambda cell: (CELL * cell, CELL * cell + CELL))


@st.composite
def instructions(draw: st.DrawFn, engines: Sequence[int], spans: st.SearchStrategy[tuple[int, int]]) -> Instruction:
    reads = [(*span, False) for span in draw(st.lists(spans, max_size=2))]
    writes = [(*span, True) for span in draw(st.lists(spans, max_size=1))]
    return draw(st.sampled_from(engines)), draw(st.integers(1, 9)), [*reads, *writes]


@dataclass
class Record:
    """Every access so far: the slow way to find dependences."""

    past: list[tuple[int, Access, float]] = field(default_factory=list[tuple[int, Access, float]])

    def ready(self, engine: int, accesses: Sequence[Access], own: bool = False) -> float:
        """When ``engine`` may begin for what the others, or ``own`` instructions, have done."""
        times = [
            end
            for other, (start, stop, written), end in self.past
            for low, high, writes in accesses
            if (other == engine) == own and (written or writes) and start < high and low < stop
        ]
        return max(times, default=0.0)


def begins(program: Sequence[Instruction]) -> list[tuple[float, float]]:
    """When each instruction begins by ranges, and when it might at the earliest, given how those before went."""
    ranges, record, free, found = Ranges(SIZE), Record(), dict[int, float](), list[tuple[float, float]]()
    for engine, duration, accesses in program:
        touches = [Touch(ranges, Reach(low, (), ((0, high - low),)), (), writes) for low, high, writes in accesses]
        # a transfer that touches the data of another is issued behind a wait for it
        earliest = record.ready(engine, accesses, own=True) if engine == UNORDERED else free.get(engine, 0.0)
        begin = max([earliest, *(touch.ready(engine) for touch in touches)])
        found.append((begin, max(earliest, record.ready(engine, accesses))))
        free[engine] = begin + duration
        for touch in touches:
            touch.done(engine, begin + duration)
        record.past += [(engine, access, begin + duration) for access in accesses]
    return found


@given(st.lists(instructions(ENGINES, CELLS), max_size=25))
@settings(max_examples=200, deadline=None)
def test_what_is_used_as_it_was_written_waits_for_exactly_what_it_must(program: list[Instruction]) -> None:
    written = [(0, 1, [(start, start + CELL, True)]) for start in range(0, SIZE, CELL)]
    assert [begin - earliest for begin, earliest in begins([*written, *program])] == [0] * (len(written) + len(program))


@given(st.lists(instructions([*ENGINES, UNORDERED], SPANS), max_size=25))
@settings(max_examples=300, deadline=None)
def test_nothing_begins_before_what_it_depends_on(program: list[Instruction]) -> None:
    assert all(begin >= earliest for begin, earliest in begins(program))


def test_a_transfer_waits_for_engines_only() -> None:
    program = [(UNORDERED, 5, [(0, 4, True)]), (UNORDERED, 2, [(2, 6, False)]), (0, 1, [(2, 6, True)])]
    ranges = Ranges(SIZE)
    for (engine, duration, ((low, high, writes),)), expected in zip(program, (0.0, 0.0, 5.0), strict=True):
        touch = Touch(ranges, Reach(low, (), ((0, high - low),)), (), writes)
        assert touch.ready(engine) == expected
        touch.done(engine, expected + duration)


def test_a_short_transfer_over_a_long_one_does_not_hide_it() -> None:
    ranges = Ranges(SIZE)
    for duration in (9.0, 2.0):
        touch = Touch(ranges, FIRST, (), True)
        touch.ready(UNORDERED)
        touch.done(UNORDERED, duration)
    assert Touch(ranges, FIRST, (), False).ready(0) == 9.0


def test_the_place_follows_the_loops_and_the_lanes_do_not_count() -> None:
    ranges, env = Ranges(100), [0]
    moving = Touch(ranges, Reach(300, ((0, 10),), ((0, 4),)), env, True)
    fixed = Touch(ranges, Reach(20, (), ((0, 4),)), env, False)
    for trip, expected in ((0, 0.0), (1, 0.0), (2, 12.0)):
        env[0] = trip
        moving.ready(0)
        moving.done(0, 10.0 + trip)
        assert fixed.ready(1) == expected


def test_a_read_of_two_pieces_does_not_wait_for_what_lies_between() -> None:
    ranges = Ranges(SIZE)
    for start, end in ((0, 2.0), (4, 9.0), (8, 3.0)):
        touch = Touch(ranges, Reach(start, (), ((0, 4),)), (), True)
        touch.ready(0)
        touch.done(0, end)
    assert Touch(ranges, Reach(2, (), ((0, 2), (6, 8))), (), False).ready(1) == 3.0
    assert Touch(ranges, Reach(2, (), ((0, 8),)), (), False).ready(1) == 9.0
