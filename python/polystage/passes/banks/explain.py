"""Why arrays lie as they do: what ``map-banks`` decided, who asked for it, what else it would cost."""

from collections.abc import Mapping, Sequence

from polystage.analysis.banks import Banks, Home, Place, place_text
from polystage.analysis.costs import engine_ns
from polystage.analysis.implementation import Implementation
from polystage.analysis.nests import Nest
from polystage.machine import Machine
from polystage.passes.banks.descent import around_ns, rehomed
from polystage.passes.banks.graph import Graph
from polystage.passes.banks.problem import ANY, IN_DRAM, ONE_LANE, REPLICATED, Summary, is_own
from polystage.passes.banks.solve import Solution
from polystage.passes.banks.state import State


def decisions(strategy: str, graph: Graph, solution: Solution, figures: Summary, machine: Machine) -> Banks:
    """What was decided, and why."""
    engine, lanes = engine_use(graph, solution, machine)
    nests = zip(graph.names, graph.implementations, solution.assignment.choices, strict=True)
    return Banks(
        strategy=strategy,
        objective_ns=figures.ns,
        bound_ns=solution.bound_ns,
        gap=solution.gap if solution.bound_ns else 1.0,
        engine_ns=engine,
        lane_utilisation=lanes,
        relayouts=figures.relayouts,
        relayout_bytes=figures.relayout_bytes,
        dram_bytes=figures.dram_bytes,
        arrays=tuple(_homes(graph, solution)),
        nests={name: each[choice] for name, each, choice in nests},
    )


def engine_use(graph: Graph, solution: Solution, machine: Machine) -> tuple[float, float]:
    """Engine time of all nests, and the part of the lanes that is busy in it."""
    total = busy = 0.0
    for nest, each, choice in zip(graph.nests, graph.implementations, solution.assignment.choices, strict=True):
        ns = engine_ns(nest, each[choice], nest.extents, machine)
        total += ns
        busy += ns * _lanes_used(nest, each[choice], machine)
    return total, busy / total if total else 1.0


def _lanes_used(nest: Nest, chosen: Implementation, machine: Machine) -> float:
    """Part of the lanes that hold an operand of the nest, on average over blocks of lanes."""
    extent = 1 if chosen.lane is None else nest.extents[chosen.lane]
    return extent / (-(-extent // machine.lanes) * machine.lanes)


def _homes(graph: Graph, solution: Solution) -> list[Home]:
    """The arrays that have a home to choose."""
    state = State.of(graph.problem, solution.assignment)
    listed: list[Home] = []
    for number, array in enumerate(graph.problem.arrays):
        home = array.homes[solution.assignment.homes[number]]
        if home != IN_DRAM:
            others = _alternatives(state, number, array.homes, home)
            listed.append(Home(array.name, _place(home), _asked(graph, solution, number), others))
    return listed


def _place(home: int) -> Place:
    if home == REPLICATED:
        return "replicated"
    return None if home == ONE_LANE else home


def _asked(graph: Graph, solution: Solution, array: int) -> tuple[str, ...]:
    """One text for each access: the nest, how it runs, and in which layout it wants the array."""
    texts: list[str] = []
    for item, slot in graph.problem.users[array]:
        choice = solution.assignment.choices[item]
        wanted = graph.problem.items[item].choices[choice].wants[slot]
        verb = "writes" if graph.slots[item][slot].stored else "reads"
        if is_own(wanted):
            here = graph.problem.arrays[array].homes[solution.assignment.homes[array]] == REPLICATED
            wanted = REPLICATED if here else ANY
        named = {ANY: "through a copy of its own", ONE_LANE: "in one lane", REPLICATED: "on every lane"}
        place = named.get(wanted, f"along dimension {wanted}")
        texts.append(f"{graph.names[item]} ({graph.implementations[item][choice].kind}) {verb} {place}")
    return tuple(texts)


def _alternatives(state: State, array: int, homes: Sequence[int], home: int) -> Mapping[str, float]:
    """By other home, the ns it would add with the nests around it choosing again."""
    now = around_ns(state, array)
    others = [(position, other) for position, other in enumerate(homes) if other != home]
    return {place_text(_place(other)): rehomed(state, array, position).ns - now for position, other in others}
