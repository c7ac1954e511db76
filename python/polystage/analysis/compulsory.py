"""Compulsory traffic: the DRAM bytes that any schedule moves, and the arithmetic of a model (affine level).

Each argument that is read counts once and each output once. Of an argument that is read in part only the elements in
the union of the reads count, where every read touches a box; otherwise all of it. Of a table read through loaded
indices count at most the rows that the indices can name: as many as there are index values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from polystage import poly
from polystage.analysis.nests import main_function
from polystage.analysis.values import before_casts, producer
from polystage.dialects import npu

PADDING = "polystage.padding"  # of the function: products with zeros that passes have added
_PRODUCTS = frozenset({"arith.mulf", "arith.muli"})
_SUMS = frozenset({"arith.addf", "arith.addi"})


@dataclass(frozen=True)
class Compulsory:
    """Bytes to be read (``inputs``, and ``weights``: parameters, buffers, constants) and written (``outputs``)."""

    inputs: int
    weights: int
    outputs: int

    @property
    def total(self) -> int:
        """All compulsory bytes."""
        return self.inputs + self.weights + self.outputs


def compulsory(module: ir.Operation) -> Compulsory:
    """The compulsory traffic of a module in affine normal form; about 0.1 ms a nest."""
    func = main_function(module)
    reads: dict[str, list[tuple[poly.Statement, poly.Reference]]] = {}
    for statement in poly.statements(func):
        for read in statement.reads:
            reads.setdefault(read.access.array, []).append((statement, read))
    names = poly.array_names(func)
    inputs = weights = outputs = 0
    for position, argument in enumerate(func.regions[0].blocks[0].arguments):
        memref = ir.MemRefType(argument.type)
        size = npu.element_bytes(memref.element_type)
        match _kind(func, position):
            case "output":
                outputs += prod(memref.shape) * size
            case "input":
                inputs += _elements_read(memref.shape, reads.get(names[argument], ())) * size
            case _:
                weights += _elements_read(memref.shape, reads.get(names[argument], ())) * size
    return Compulsory(inputs, weights, outputs)


def macs(module: ir.Operation) -> int:
    """Multiply-accumulates: iterations of the nests that sum products of two loads (casts apart) into one array."""
    return sum(macs_by_element(module).values())


def macs_by_element(module: ir.Operation) -> dict[str, int]:
    """Multiply-accumulates by the element type of the factors, of the wider one where they differ."""
    totals: dict[str, int] = {}
    for statement in poly.statements(main_function(module)):
        factors = _factors(statement)
        if factors:
            element = max(factors, key=lambda factor: npu.element_bytes(factor.type)).type
            totals[str(element)] = totals.get(str(element), 0) + poly.count(statement.domain)
    return totals


def padding(function: ir.Operation) -> int:
    """Products with zeros that passes have added, as ``PADDING`` of the function says."""
    return ir.IntegerAttr(function.attributes[PADDING]).value if PADDING in function.attributes else 0


def nest_count(module: ir.Operation) -> int:
    """The nests of a module in affine normal form."""
    return sum(op.operation.name == "affine.for" for op in main_function(module).regions[0].blocks[0].operations)


def _kind(func: ir.Operation, position: int) -> str:
    """The ``polystage.kind`` of an argument; without one it is an input."""
    attributes = func.attributes.get("arg_attrs")
    own = attributes[position] if isinstance(attributes, ir.ArrayAttr) else None
    kind = own["polystage.kind"] if isinstance(own, ir.DictAttr) and "polystage.kind" in own else None
    return kind.value if isinstance(kind, ir.StringAttr) else "input"


def _elements_read(shape: Sequence[int], reads: Sequence[tuple[poly.Statement, poly.Reference]]) -> int:
    """How many elements of an array must be read at least once, as the module docstring defines it."""
    whole = prod(shape)
    direct = [read.access for _, read in reads if not read.access.loaded]
    boxes = [poly.box_image(access) for access in direct]
    if any(box is None or poly.count(box) == whole for box in boxes):
        return whole
    known = [box for box in boxes if box is not None]
    touched = poly.count(poly.union(known)) if known else 0
    touched += sum(_gathered(statement, read) for statement, read in reads if read.access.loaded)
    return min(whole, touched)


def _gathered(statement: poly.Statement, read: poly.Reference) -> int:
    """The elements that a data-dependent read can touch: index values times what one value selects."""
    access, domain = read.access, statement.domain
    selecting = _dimensions_of_indices(statement, read)
    values = prod(domain.extent(name) for name in selecting)
    used = poly.used_dimensions(access) - set(access.domain.names[-access.loaded :])
    return values * prod(domain.extent(name) for name in used - selecting)


def _dimensions_of_indices(statement: poly.Statement, read: poly.Reference) -> frozenset[str]:
    """The dimensions on which the loaded indices of ``read`` depend: those of the loads that they are computed from."""
    loads: dict[ir.Value, poly.Access] = {other.op.results[0]: other.access for other in statement.reads}
    selecting: set[str] = set()
    pending = list(read.op.operands)[1:]
    while pending:
        value = pending.pop()
        op = producer(value)
        if value in loads:
            selecting |= poly.used_dimensions(loads[value])
        elif op is not None:
            pending += list(op.operands)
    return frozenset(selecting) & frozenset(statement.domain.names)


def _factors(statement: poly.Statement) -> tuple[ir.Value, ...]:
    """The two loads whose product the one store adds to the element that it overwrites; empty if it does not."""
    if len(statement.writes) != 1:
        return ()
    (write,) = statement.writes
    loads: dict[ir.Value, poly.Access] = {read.op.results[0]: read.access for read in statement.reads}
    total = producer(before_casts(write.op.operands[0]))
    if total is None or total.name not in _SUMS:
        return ()
    left, right = (before_casts(value) for value in total.operands)
    for accumulator, term in ((left, right), (right, left)):
        factors = _product(producer(term), loads)
        if factors and accumulator in loads and poly.equal(loads[accumulator], write.access):
            return factors
    return ()


def _product(op: ir.Operation | None, loads: Mapping[ir.Value, poly.Access]) -> tuple[ir.Value, ...]:
    if op is None or op.name not in _PRODUCTS:
        return ()
    factors = tuple([before_casts(factor) for factor in op.operands])
    return factors if all(factor in loads for factor in factors) else ()
