"""Move the loop along which a nest writes consecutive elements innermost, so that LLVM can vectorise it.

Before:  for i, j, k: C[i, j] += A[i, k] * B[k, j]
After:   for i, k, j: C[i, j] += A[i, k] * B[k, j]

Legal when the loop occurs in the store alone and as it is (each of its iterations owns an element), and the stored
array is read at the stored element only: the order of all other loops, and so of every sum, stays.
"""

from collections.abc import Sequence

from torch_mlir import ir

# Consecutive iterations may be at most this far apart in an array that is read.
MAX_STRIDE = 2


def make_innermost_contiguous(function: ir.Operation) -> None:
    """Reorder every perfect constant-bound nest of the function in place where that helps."""
    for op in list(function.regions[0].blocks[0].operations):
        if op.operation.name == "affine.for":
            loops = _perfect(op.operation)
            position = _candidate(loops)
            if position is not None:
                _rotate(loops[position:])


def _perfect(outer: ir.Operation) -> list[ir.Operation]:
    loops = [outer]
    while True:
        body = list(loops[-1].regions[0].blocks[0].operations)
        if len(body) != 2 or body[0].operation.name != "affine.for":
            return loops
        loops.append(body[0].operation)


def _iv(loop: ir.Operation) -> ir.Value:
    return loop.regions[0].blocks[0].arguments[0]


def _candidate(loops: Sequence[ir.Operation]) -> int | None:
    """The position of the loop to move, None when there is none or the nest is not of the simple kind."""
    body = [op.operation for op in loops[-1].regions[0].blocks[0].operations]
    stores = [op for op in body if op.name == "affine.store"]
    if len(stores) != 1 or any(op.regions or op.name.startswith("memref.") for op in body):
        return None
    if any(len(loop.operands) or len(loop.results) for loop in loops):
        return None
    store = stores[0]
    target, indices = store.operands[1], list(store.operands)[2:]
    loads = [op for op in body if op.name == "affine.load"]
    if any(load.operands[0] == target and not _same_access(load, store) for load in loads):
        return None
    ivs = [_iv(loop) for loop in loops]
    for position, iv in enumerate(ivs[:-1]):
        accesses = [(store, indices), *((load, list(load.operands)[1:]) for load in loads)]
        strides = [_stride(op, operands, iv) for op, operands in accesses]
        if strides[0] == 1 and all(stride is not None and 0 <= stride <= MAX_STRIDE for stride in strides):
            return position
    return None


def _same_access(load: ir.Operation, store: ir.Operation) -> bool:
    return load.attributes["map"] == store.attributes["map"] and list(load.operands)[1:] == list(store.operands)[2:]


def _stride(op: ir.Operation, operands: Sequence[ir.Value], iv: ir.Value) -> int | None:
    """Elements between consecutive iterations of ``iv``; None when it is not only in the last index, linearly."""
    positions = {position for position, operand in enumerate(operands) if operand == iv}
    results = list(ir.AffineMapAttr(op.attributes["map"]).value.results)
    coefficients = [_coefficient(expression, positions) for expression in results]
    if not coefficients:
        return 0
    return coefficients[-1] if all(c == 0 for c in coefficients[:-1]) else None


def _coefficient(expression: ir.AffineExpr, positions: set[int]) -> int | None:
    """The factor of the given dims in a linear expression; None when they occur under mod or floordiv."""
    if isinstance(expression, ir.AffineDimExpr):
        return int(expression.position in positions)
    if isinstance(expression, ir.AffineConstantExpr | ir.AffineSymbolExpr):
        return 0
    if not isinstance(expression, ir.AffineBinaryExpr):
        return None
    left, right = _coefficient(expression.lhs, positions), _coefficient(expression.rhs, positions)
    if left is None or right is None:
        return None
    if isinstance(expression, ir.AffineAddExpr):
        return left + right
    if isinstance(expression, ir.AffineMulExpr) and isinstance(expression.rhs, ir.AffineConstantExpr):
        return left * expression.rhs.value
    return 0 if left == right == 0 else None


def _rotate(loops: Sequence[ir.Operation]) -> None:
    """Make the first loop the last: bounds and uses of the induction variables change places."""
    order = [*loops[1:], loops[0]]
    bounds = [loop.attributes["upperBoundMap"] for loop in order]
    uses = [[(use.owner.operation, use.operand_number) for use in _iv(loop).uses] for loop in order]
    for loop, bound, places in zip(loops, bounds, uses, strict=True):
        loop.attributes["upperBoundMap"] = bound
        for user, number in places:
            user.operands[number] = _iv(loop)
