"""Why arrays lie as they do: the decisions of ``map-banks`` as a module attribute."""

from collections.abc import Sequence

from torch_mlir import ir

from polystage.analysis.costs import engine_ns
from polystage.analysis.implementation import Implementation
from polystage.analysis.nests import Nest
from polystage.machine import Machine
from polystage.passes._banks_descent import around_ns, rehomed
from polystage.passes._banks_graph import Graph
from polystage.passes._banks_problem import ANY, IN_DRAM, ONE_LANE, Summary
from polystage.passes._banks_solve import Solution
from polystage.passes._banks_state import State

ATTRIBUTE = "npu.banks"


def decisions(strategy: str, graph: Graph, solution: Solution, figures: Summary, machine: Machine) -> ir.DictAttr:
    """What was decided, and why, as one attribute; times in ns."""
    f64, i64 = ir.F64Type.get(), ir.IntegerType.get_signless(64)
    engine, lanes = engine_use(graph, solution, machine)
    numbers = {
        "objective_ns": figures.ns, "bound_ns": solution.bound_ns, "gap": solution.gap, "seconds": solution.seconds,
        "engine_ns": engine, "lane_utilisation": lanes,
    }  # fmt: skip
    counts = {
        "relayouts": figures.relayouts, "relayout_bytes": figures.relayout_bytes, "dram_bytes": figures.dram_bytes,
    }  # fmt: skip
    entries: dict[str, ir.Attribute] = {"strategy": ir.StringAttr.get(strategy)}
    entries |= {name: ir.FloatAttr.get(f64, value) for name, value in numbers.items()}
    entries |= {name: ir.IntegerAttr.get(i64, value) for name, value in counts.items()}
    entries["arrays"] = ir.ArrayAttr.get(_arrays(graph, solution))
    nests = zip(graph.names, graph.implementations, solution.assignment.choices, strict=True)
    chosen: dict[str, ir.Attribute] = {name: each[choice].to_attribute() for name, each, choice in nests}
    entries["nests"] = ir.DictAttr.get(chosen)
    return ir.DictAttr.get(entries)


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


def _arrays(graph: Graph, solution: Solution) -> list[ir.Attribute]:
    """One entry for each array that has a home to choose: its layout, who asked, what others would cost."""
    state = State.of(graph.problem, solution.assignment)
    listed: list[ir.Attribute] = []
    for number, array in enumerate(graph.problem.arrays):
        home = array.homes[solution.assignment.homes[number]]
        if home == IN_DRAM:
            continue
        entry: dict[str, ir.Attribute] = {
            "name": ir.StringAttr.get(array.name),
            "layout": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), home),
            "asked": ir.ArrayAttr.get([ir.StringAttr.get(text) for text in _asked(graph, solution, number)]),
            "alternatives": ir.DictAttr.get(_alternatives(state, number, array.homes, home)),
        }
        listed.append(ir.DictAttr.get(entry))
    return listed


def _asked(graph: Graph, solution: Solution, array: int) -> list[str]:
    """One text for each access: the nest, how it runs, and in which layout it wants the array."""
    texts: list[str] = []
    for item, slot in graph.problem.users[array]:
        choice = solution.assignment.choices[item]
        wanted = graph.problem.items[item].choices[choice].wants[slot]
        verb = "writes" if graph.slots[item][slot].stored else "reads"
        place = {ANY: "through a copy of its own", ONE_LANE: "in one lane"}.get(wanted, f"along dimension {wanted}")
        texts.append(f"{graph.names[item]} ({graph.implementations[item][choice].kind}) {verb} {place}")
    return texts


def _alternatives(state: State, array: int, homes: Sequence[int], home: int) -> dict[str, ir.Attribute]:
    """By other home, the ns it would add with the nests around it choosing again."""
    now = around_ns(state, array)
    others = [(position, other) for position, other in enumerate(homes) if other != home]
    added = {str(other): rehomed(state, array, position).ns - now for position, other in others}
    return {name: ir.FloatAttr.get(ir.F64Type.get(), ns) for name, ns in added.items()}
