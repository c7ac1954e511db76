"""From the states of a search to a plan: the intervals during which arrays are on chip, with the parts that move."""

from torch_mlir import ir

from polystage.analysis.index_boxes import common, hull, whole
from polystage.passes.staging.plan import Plan, State
from polystage.passes.staging.program import Program
from polystage.passes.staging.schedule import Resident, read, written


def plan_that_led_to(state: State, program: Program) -> Plan:
    """The plan of a search that ended in a state."""
    chain = list[State]()
    walk = state
    while walk.before is not None:
        chain.append(walk)
        walk = walk.before
    chain.reverse()
    residents = list[Resident]()
    open_: dict[ir.Value, tuple[int, bool]] = {}
    for each in chain:
        assert each.segment is not None
        assert each.before is not None
        first = each.segment.first
        for value in list(open_):
            gone = value in each.before.on_chip and value not in _during(each, program)
            if gone:
                residents.append(_resident(program, value, *open_.pop(value), first - 1))
        for value in _during(each, program):
            if value not in open_:
                open_[value] = (_stay(each, value, program).start, value in each.loads)
        for value in list(open_):
            if value not in each.on_chip:
                end = _stay(each, value, program).stop
                residents.append(_resident(program, value, *open_.pop(value), end - 1))
    segments = tuple(each.segment for each in chain if each.segment is not None)
    return Plan(segments, tuple(residents), state.cost, program.compulsory)


def _during(state: State, program: Program) -> frozenset[ir.Value]:
    """What is on chip as a whole during a state's segment."""
    assert state.before is not None
    assert state.segment is not None
    stayed = state.before.on_chip - state.stores
    span = range(state.segment.first, state.segment.last + 1)
    left = frozenset(
        v for v in stayed if v not in state.on_chip and not any(k in span for k in program.arrays[v].touched)
    )
    made = frozenset(v for v in state.on_chip if v not in stayed and any(k in span for k in program.arrays[v].touched))
    return (stayed - left) | made | state.segment.held


def _stay(state: State, value: ir.Value, program: Program) -> range:
    """The nests of a state's segment for which an array is on chip as a whole."""
    segment, array, before = state.segment, program.arrays[value], state.before
    assert segment is not None
    assert before is not None
    if segment.group is None:
        return range(segment.first, segment.last + 1)
    comes = value not in before.on_chip and value not in state.loads
    return segment.group.stay(array.touched, comes=comes, goes=value not in state.on_chip and not array.is_result)


def _resident(program: Program, value: ir.Value, first: int, loaded: bool, last: int) -> Resident:
    """An array's interval on chip, with the parts that move: what was written and will be read."""
    array = program.arrays[value]
    before, during, behind = (
        [program.steps[k] for k in array.touched if k in span]
        for span in (range(first), range(first, last + 1), range(last + 1, len(program.steps)))
    )
    given = array.kind not in ("intermediate", "output")
    load = store = None
    if loaded:
        there = whole(value) if given else hull(written(before, value))
        load = common(there, hull([*read([*during, *behind], value), *written(during, value)]))
        load = common(there, whole(value)) if array.is_result else load
    if any(first <= at <= last for at in array.writes):
        after = whole(value) if array.is_result else hull(read(behind, value))
        store = common(hull(written([*before, *during], value)), after)
    return Resident(value, array.layout, array.lane_bytes, first, last, load, store)
