"""Writes the decisions of ``map-banks`` into the IR: implementations, layouts, relayouts (mechanism)."""

from collections.abc import Mapping, Sequence

from torch_mlir import ir

from polystage.analysis.implementation import ATTRIBUTE, RELAYOUT
from polystage.analysis.nests import Access, Load, Nest
from polystage.analysis.values import array_name, producer
from polystage.dialects import affine
from polystage.machine import Machine
from polystage.passes.banks.graph import Graph, layout_of
from polystage.passes.banks.problem import Assignment, is_own
from polystage.passes.banks.slots import box_of
from polystage.passes.nests.relayouts import innermost


def write_implementations(graph: Graph, assignment: Assignment) -> None:
    """Annotate every nest with the implementation that it takes."""
    for nest, implementations, choice in zip(graph.nests, graph.implementations, assignment.choices, strict=True):
        nest.op.attributes[ATTRIBUTE] = implementations[choice].to_attribute()


def write_layouts(graph: Graph, assignment: Assignment, machine: Machine, *, shared: bool) -> int:
    """Give arrays their layouts and write a nest for each relayout; returns how many. Memory spaces stay."""
    written = _Relayouts(graph, machine)
    readers = _readers(graph, assignment, shared=shared)
    for array, layouts, home in zip(graph.arrays, graph.problem.arrays, assignment.homes, strict=True):
        op = producer(array)
        if op is not None and op.name == "memref.alloc":
            layout = layout_of(layouts.homes[home], machine)
            array.set_type(layout.of_type(ir.MemRefType(array.type), on_chip=False))
    for (array, wanted, _), users in readers.items():
        written.write(graph.arrays[array], wanted, users)
    return len(readers)


Users = list[tuple[int, int]]


def _readers(graph: Graph, assignment: Assignment, *, shared: bool) -> Mapping[tuple[int, int, int], Users]:
    """By array, layout wanted and a number that keeps relayouts apart, the (nest, slot) that read it."""
    problem = graph.problem
    found: dict[tuple[int, int, int], Users] = {}
    for number, (item, choice) in enumerate(zip(problem.items, assignment.choices, strict=True)):
        for slot, (region, wanted) in enumerate(zip(item.slots, item.choices[choice].wants, strict=True)):
            move = problem.regions[region].move(problem.home(assignment, region), wanted)
            own = is_own(wanted) or recurs(graph.nests[number], graph.slots[number][slot].access)
            if move is not None and move.bytes and not own and not graph.slots[number][slot].stored:
                key = (problem.regions[region].array, wanted, region if shared else -1 - number)
                found.setdefault(key, []).append((number, slot))
    return found


def recurs(nest: Nest, access: Access) -> bool:
    """Whether a nest loads there what earlier iterations of it may have stored: a copy made before would be old."""
    return any(
        isinstance(node, Load) and node.access == access for node in map(nest.nodes.__getitem__, nest.self_loads)
    )


class _Relayouts:
    """Writes relayout nests; numbers those of each array."""

    def __init__(self, graph: Graph, machine: Machine) -> None:
        self.graph, self.machine = graph, machine
        self.counts: dict[ir.Value, int] = {}

    def write(self, array: ir.Value, wanted: int, users: Users) -> None:
        """Copy what ``users`` read of an array into another layout, before the first; they read the copy."""
        nests = [self.graph.nests[number] for number, _ in users]
        accesses = [self.graph.slots[number][slot].access for number, slot in users]
        number = self.counts[array] = self.counts.get(array, -1) + 1
        type_ = layout_of(wanted, self.machine).of_type(ir.MemRefType(array.type), on_chip=False)
        with ir.InsertionPoint(nests[0].op), nests[0].op.location:
            copy = affine.alloc(type_, f"{array_name(array)}.relayout{number}")
            _copy(array, copy, box_of(accesses, nests))
        for nest, access in zip(nests, accesses, strict=True):
            _redirect(nest, access, copy)


def _copy(source: ir.Value, target: ir.Value, box: Sequence[tuple[int, int]]) -> None:
    """A relayout nest over a box of least and greatest indices."""
    extents = [high - low + 1 for low, high in box]
    kept = [k for k, extent in enumerate(extents) if extent > 1]
    marked = {ATTRIBUTE: RELAYOUT.to_attribute()}
    with affine.nest([extents[k] for k in kept], marked) as ivs:
        dims = {k: ir.AffineExpr.get_dim(position) for position, k in enumerate(kept)}
        results = [dims[k] + low if k in dims else ir.AffineExpr.get_constant(low) for k, (low, _) in enumerate(box)]
        access = ir.AffineMap.get(len(kept), 0, results)
        affine.store(affine.load(source, access, ivs), target, access, ivs)


def _redirect(nest: Nest, access: Access, copy: ir.Value) -> None:
    """Let the loads of an access in a nest read a copy of its array."""
    loads = [op for op in innermost(nest.op) if op.name == "affine.load"]
    nodes = [node for node in nest.nodes if isinstance(node, Load)]
    for op, node in zip(loads, nodes, strict=True):
        if node.access == access:
            op.operands[0] = copy
