"""A program of the npu dialect with addresses, as the proof of its transfers reads it (:mod:`.dma`).

An access is kept twice: as the interval of bytes that it stays inside of in all iterations, which settles most
questions, and as the maps that an integer set is made of where the intervals meet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from torch_mlir import ir

from polystage.dialects import npu
from polystage.errors import UserError

TRANSFERS = frozenset({"npu.dma_start", "npu.gather", "npu.scatter"})
TOKEN = "!npu.token"
_ANYWHERE = 1 << 62


@dataclass(frozen=True, eq=False)
class Loop:
    """An ``affine.for``: its variable is ``first + step * k`` for ``k`` in ``range(trips)``."""

    op: ir.Operation
    variable: ir.Value
    first: int
    step: int
    trips: int


@dataclass(frozen=True, eq=False)
class Use:
    """One access of one instruction to ``array``.

    It stays inside of bytes ``low`` to ``high`` (both included) of ``memory``, on chip those of each lane. ``indices``
    are maps of the variables of the loops around the instruction, outermost first.
    """

    role: str
    array: ir.Value
    memory: str
    write: bool
    low: int
    high: int
    sizes: tuple[int, ...]
    access: ir.AffineMap
    indices: tuple[ir.AffineMap, ...]
    address: int
    strides: tuple[int, ...]
    size: int


@dataclass(eq=False)
class Node:
    """An operation of a block; a loop has ``body``, an instruction ``uses``."""

    op: ir.Operation
    loops: tuple[Loop, ...]
    uses: tuple[Use, ...] = ()
    loop: Loop | None = None
    body: "list[Node]" = field(default_factory=list["Node"])


def read(function: ir.Operation, addresses: bool) -> list[Node]:
    """The operations of a function, loops with their bodies.

    Without ``addresses`` each buffer is a memory of its own, as arguments are. Raises UserError where an address is
    missing.
    """
    return _Reading(addresses).block(function.regions[0].blocks[0], ())


class _Reading:
    def __init__(self, addresses: bool) -> None:
        self.addresses = addresses
        self.arrays: dict[ir.Value, tuple[str, int]] = {}

    def block(self, block: ir.Block, loops: tuple[Loop, ...]) -> list[Node]:
        nodes: list[Node] = []
        for view in block.operations:
            op = view.operation
            if op.name == "affine.for":
                loop = _loop(op)
                nodes.append(Node(op, loops, loop=loop, body=self.block(op.regions[0].blocks[0], (*loops, loop))))
            elif op.name.startswith("npu.") and op.name != "npu.dma_wait":
                nodes.append(Node(op, loops, self.uses(op, loops)))
            else:
                nodes.append(Node(op, loops))
        return nodes

    def uses(self, op: ir.Operation, loops: tuple[Loop, ...]) -> tuple[Use, ...]:
        instruction = npu.decode(op)
        indices = tuple(_over(index, loops) for index in instruction.indices)
        ranges = [_range(index.results[0], loops) for index in indices]
        found: list[Use] = []
        for write, positions in ((False, instruction.reads), (True, instruction.writes)):
            for position in positions:
                access, sizes = instruction.maps[position], instruction.sizes
                memref = instruction.memrefs[position]
                if access.n_dims > len(sizes):  # a gather or scatter may touch any element
                    sizes = tuple(ir.MemRefType(memref.type).shape)
                    access = ir.AffineMap.get_identity(len(sizes), op.context)
                    access = ir.AffineMap.get(len(sizes), len(indices), list(access.results), op.context)
                found.append(self.use(instruction.roles[position], memref, write, sizes, access, indices, ranges))
        return tuple(found)

    def use(
        self,
        role: str,
        array: ir.Value,
        write: bool,
        sizes: tuple[int, ...],
        access: ir.AffineMap,
        indices: tuple[ir.AffineMap, ...],
        ranges: Sequence[tuple[int, int]],
    ) -> Use:
        type_ = ir.MemRefType(array.type)
        memory, address = self.place(array)
        size = npu.element_bytes(type_.element_type)
        shape = type_.shape
        strides = [size * prod(shape[k + 1 :]) for k in range(len(shape))]
        if npu.memory_of(type_) != "dram":
            strides[0] = 0  # the lane
        spans = [*((0, extent - 1) for extent in sizes), *ranges]
        low = high = address
        for expr, stride in zip(access.results, strides, strict=True):
            least, most = _interval(expr, spans[: access.n_dims], spans[access.n_dims :])
            low, high = low + stride * least, high + stride * most
        return Use(
            role, array, memory, write, low, high + size - 1, sizes, access, indices, address, tuple(strides), size
        )

    def place(self, array: ir.Value) -> tuple[str, int]:
        """Memory and first byte of an array; an argument or a constant is a memory of its own."""
        if array not in self.arrays:
            owner = array.owner
            if isinstance(owner, ir.Block) or owner.operation.name != "memref.alloc" or not self.addresses:
                self.arrays[array] = f"array {len(self.arrays)}", 0
            elif "npu.address" not in owner.operation.attributes:
                location = str(owner.operation.location).removeprefix("loc(").removesuffix(")").replace('"', "")
                raise UserError("'memref.alloc' has no npu.address; run allocate first", location)
            else:
                address = ir.IntegerAttr(owner.operation.attributes["npu.address"]).value
                self.arrays[array] = npu.memory_of(array.type), address
        return self.arrays[array]


def _loop(op: ir.Operation) -> Loop:
    ends: list[int] = []
    for name in ("lowerBoundMap", "upperBoundMap"):
        (expr,) = ir.AffineMapAttr(op.attributes[name]).value.results
        if not isinstance(expr, ir.AffineConstantExpr):
            raise UserError("the bounds of a loop in an npu program are constants")
        ends.append(expr.value)
    step = ir.IntegerAttr(op.attributes["step"]).value
    trips = max(0, -(-(ends[1] - ends[0]) // step))
    return Loop(op, op.regions[0].blocks[0].arguments[0], ends[0], step, trips)


def _over(value: ir.Value, loops: Sequence[Loop]) -> ir.AffineMap:
    """An index value as a map of the loop variables."""
    return ir.AffineMap.get(len(loops), 0, [_expression(value, {loop.variable: k for k, loop in enumerate(loops)})])


def _expression(value: ir.Value, known: Mapping[ir.Value, int]) -> ir.AffineExpr:
    if value in known:
        return ir.AffineExpr.get_dim(known[value])
    owner = value.owner
    if isinstance(owner, ir.Block):
        raise UserError("an index of an npu program is a loop variable or an affine.apply of some")
    op = owner.operation
    if op.name == "arith.constant":
        return ir.AffineExpr.get_constant(ir.IntegerAttr(op.attributes["value"]).value)
    access = ir.AffineMapAttr(op.attributes["map"]).value
    operands = [_expression(operand, known) for operand in op.operands]
    return _composed(access.results[0], operands[: access.n_dims], operands[access.n_dims :])


def _composed(expr: ir.AffineExpr, dims: Sequence[ir.AffineExpr], symbols: Sequence[ir.AffineExpr]) -> ir.AffineExpr:
    if isinstance(expr, ir.AffineDimExpr):
        return dims[expr.position]
    if isinstance(expr, ir.AffineSymbolExpr):
        return symbols[expr.position]
    if not isinstance(expr, ir.AffineBinaryExpr):
        return expr
    a, b = _composed(expr.lhs, dims, symbols), _composed(expr.rhs, dims, symbols)
    match expr:
        case ir.AffineAddExpr():
            return a + b
        case ir.AffineMulExpr():
            return a * b
        case ir.AffineModExpr():
            return ir.AffineExpr.get_mod(a, b)
        case ir.AffineFloorDivExpr():
            return ir.AffineExpr.get_floor_div(a, b)
        case _:
            return ir.AffineExpr.get_ceil_div(a, b)


def _range(expr: ir.AffineExpr, loops: Sequence[Loop]) -> tuple[int, int]:
    """The least and greatest value of a map of loop variables, or bounds of them."""
    spans = [(loop.first, loop.first + loop.step * (max(1, loop.trips) - 1)) for loop in loops]
    return _interval(expr, spans, ())


def _interval(
    expr: ir.AffineExpr, dims: Sequence[tuple[int, int]], symbols: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    """Bounds of ``expr`` where its variables are within the given ones."""
    if isinstance(expr, ir.AffineConstantExpr):
        return expr.value, expr.value
    if isinstance(expr, ir.AffineDimExpr):
        return dims[expr.position]
    if isinstance(expr, ir.AffineSymbolExpr):
        return symbols[expr.position]
    assert isinstance(expr, ir.AffineBinaryExpr)
    (low, high), (least, most) = _interval(expr.lhs, dims, symbols), _interval(expr.rhs, dims, symbols)
    if isinstance(expr, ir.AffineAddExpr):
        return low + least, high + most
    if least != most:
        return -_ANYWHERE, _ANYWHERE
    if isinstance(expr, ir.AffineMulExpr):
        return min(low * most, high * most), max(low * most, high * most)
    if isinstance(expr, ir.AffineModExpr):
        same = low // most == high // most
        return (low % most, high % most) if same else (0, most - 1)
    if isinstance(expr, ir.AffineFloorDivExpr):
        return low // most, high // most
    return -(-low // most), -(-high // most)
