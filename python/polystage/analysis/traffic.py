"""Static traffic: the bytes that an npu program moves, from its text and without running it.

An instruction inside ``affine.for`` loops runs as often as the product of their trip counts, and each time every
operand moves its element size times the iteration box over the dimensions of the operand's *role*: all of them, but

- ``matmul`` reads ``stationary`` [K, M] and ``moving`` [K, N..] and writes ``dst`` [M, N..], which it also reads when
  it accumulates;
- ``tensor_reduce`` writes the dimensions that it keeps;
- a scalar or bias operand is read once for each lane (``d0``).

A transfer counts in DRAM under the name of the tensor and the cause of the transfer, and on chip under the engine
``dma``; gathered and scattered rows count whole, and so do the indices read for them. The reference executor counts
the same bytes while it runs; the two share no counting code, so that each checks the other.

Not handled: loops whose bounds are not constant, which npu programs do not have (ValueError).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.dialects import npu
from polystage.interp.counts import ByteCounts, Counts, Row
from polystage.poly import array_names

Key = tuple[str, str, str, str, str]
"""memory, tensor, engine, cause, kind."""


def predict(module: ir.Operation) -> Counts:
    """The counts of one execution of the npu program ``module``; 40 us an instruction of the text."""
    func = main_function(module)
    tensors = array_names(func)
    moved: Counter[Key] = Counter()
    executed: Counter[str] = Counter()
    macs = 0
    for op, trips in instructions(func.regions[0].blocks[0], 1):
        instruction = npu.decode(op)
        executed[instruction.op] += trips
        macs += trips * prod(instruction.sizes) if instruction.op == "matmul" else 0
        for key, size in _operands(instruction, tensors):
            moved[key] += trips * size
    rows = tuple(Row(*key, size) for key, size in sorted(moved.items()) if size)
    return Counts(ByteCounts(rows), dict(sorted(executed.items())), macs)


def instructions(block: ir.Block, trips: int) -> Iterator[tuple[ir.Operation, int]]:
    """The npu instructions of a block and the loops in it, with the number of times each one runs."""
    for view in block.operations:
        op = view.operation
        if op.name == "affine.for":
            yield from instructions(op.regions[0].blocks[0], trips * _trip_count(op))
        elif npu.is_instruction(op):
            yield op, trips


def _trip_count(loop: ir.Operation) -> int:
    low, high = (
        ir.AffineMapAttr(loop.attributes[bound]).value.results[0] for bound in ("lowerBoundMap", "upperBoundMap")
    )
    if not isinstance(low, ir.AffineConstantExpr) or not isinstance(high, ir.AffineConstantExpr):
        raise ValueError("the bounds of a loop around npu instructions are constants")
    return max(0, -(-(high.value - low.value) // ir.IntegerAttr(loop.attributes["step"]).value))


def _operands(instruction: npu.Instruction, tensors: Mapping[ir.Value, str]) -> Iterator[tuple[Key, int]]:
    """What each operand of one execution reads or writes: (key, bytes)."""
    for kind, positions in (("read", instruction.reads), ("write", instruction.writes)):
        for position in positions:
            memref = instruction.memrefs[position]
            memory = npu.memory_of(memref.type)
            in_dram = memory == "dram"
            tensor, cause = (tensors[memref], instruction.cause) if in_dram else ("", "")
            element = npu.element_bytes(ir.MemRefType(memref.type).element_type)
            yield (memory, tensor, instruction.engine, cause, kind), element * _elements(instruction, position)


def _elements(instruction: npu.Instruction, position: int) -> int:
    """The size of the iteration box over the dimensions of the operand's role."""
    sizes = instruction.sizes
    match instruction.op, instruction.roles[position]:
        case "matmul", "stationary":
            return prod(sizes[:2])
        case "matmul", "moving":
            return sizes[0] * prod(sizes[2:])
        case "matmul", "dst":
            return prod(sizes[1:])
        case "tensor_reduce", "dst":
            kept = _used_dims(instruction.maps[position])
            return prod(size for dim, size in enumerate(sizes) if dim in kept)
        case (("activation" | "tensor_scalar" | "scalar_tensor_tensor"), role) if role.startswith(("bias", "scal")):
            return sizes[0]
        case _:
            return prod(sizes)


def _used_dims(affine_map: ir.AffineMap) -> set[int]:
    """The dims that occur in a linear map."""
    used: set[int] = set()
    pending = list(affine_map.results)
    while pending:
        expr = pending.pop()
        if isinstance(expr, ir.AffineDimExpr):
            used.add(expr.position)
        elif isinstance(expr, ir.AffineBinaryExpr):
            pending += [expr.lhs, expr.rhs]
    return used
