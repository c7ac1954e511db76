"""Small repairs of torch-mlir's linalg, in this order.

- Scalar f64 inside loop bodies (Python numbers such as eps) becomes f32; whole f64 tensors are refused.
- What reads a widened bf16/f16 tensor reads the narrow one and widens in its body, so no f32 copy is made.
- A select between the operands of its own comparison becomes a minimum or maximum.
- Results of a ``linalg.generic`` that nobody reads (the index of a maximum) are dropped.
"""

from collections.abc import Iterator

from torch_mlir import ir
from torch_mlir.passmanager import PassManager

from polystage.errors import UserError
from polystage.importers.errors import mlir_location

# Named operations whose body casts its inputs to the type of the accumulator.
_CONTRACTIONS = ("linalg.matmul", "linalg.batch_matmul")
_POOLINGS = ("linalg.pooling_nchw_sum", "linalg.pooling_nhwc_sum")


def cleanup(module: ir.Module) -> None:
    """Apply the repairs in place. Raises UserError where f64 is left."""
    _narrow_f64(module)
    for op in _walk(module.operation):
        _read_narrow(op)
        _select_extremum(op)
    for op in _walk(module.operation):
        if op.name == "linalg.generic" and len(op.results) > 1:
            _drop_dead_results(op)
    PassManager.parse("builtin.module(canonicalize)").run(module.operation)


def _walk(root: ir.Operation) -> list[ir.Operation]:
    found: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        found.append(op.operation)
        return ir.WalkResult.ADVANCE

    root.walk(visit)
    return found


def _narrow_f64(module: ir.Module) -> None:
    f64 = ir.F64Type.get(module.context)
    for op in _walk(module.operation):
        for result in op.results:
            if result.type == f64:
                _narrow_result(op)
            elif isinstance(result.type, ir.ShapedType) and result.type.element_type == f64:
                raise UserError("the operation is computed in float64, which no target has", mlir_location(op.location))
    for op in _walk(module.operation):
        if op.name in ("arith.extf", "arith.truncf") and op.result.type == op.operands[0].type:
            op.result.replace_all_uses_with(op.operands[0])
            op.erase()


def _narrow_result(op: ir.Operation) -> None:
    f32 = ir.F32Type.get(op.context)
    if op.name != "arith.constant":
        op.result.set_type(f32)
        return
    number = ir.FloatAttr(op.attributes["value"]).value
    with ir.InsertionPoint(op), op.location:
        constant = ir.Operation.create(
            "arith.constant", results=[f32], attributes={"value": ir.FloatAttr.get(f32, number)}
        )
    op.result.replace_all_uses_with(constant.result)
    op.erase()


def _read_narrow(op: ir.Operation) -> None:
    """``f(extf a)`` -> ``f(a)`` with the ``extf`` in the body; a contraction only when both operands are narrow."""
    if op.name in _CONTRACTIONS:
        sources = [_widened(op.operands[k]) for k in range(2)]
        kinds = [_element(source) for source in sources if source is not None]
        if len(kinds) < 2 or kinds[0] != kinds[1]:
            return
    elif op.name in _POOLINGS:
        sources = [_widened(op.operands[0])]
    elif op.name == "linalg.generic":
        sources = [_widened(op.operands[k]) for k in range(len(op.operands) - len(op.results))]
    else:
        return
    body = op.regions[0].blocks[0]
    for k, source in enumerate(sources):
        if source is not None:
            _widen_inside(op, body.arguments[k])
            op.operands[k] = source
            body.arguments[k].set_type(_element(source))


def _widen_inside(op: ir.Operation, argument: ir.BlockArgument) -> None:
    with ir.InsertionPoint.at_block_begin(argument.owner), op.location:
        wide = ir.Operation.create("arith.extf", results=[argument.type], operands=[argument])
    argument.replace_all_uses_except(wide.result, wide)


def _widened(value: ir.Value) -> ir.Value | None:
    """``a`` when ``value`` is an elementwise generic that computes ``extf a`` and nothing else."""
    op = value.owner
    if isinstance(op, ir.Block) or op.name != "linalg.generic" or len(op.operands) != 2:
        return None
    body = [inner.operation.name for inner in op.regions[0].blocks[0].operations]
    if body != ["arith.extf", "linalg.yield"]:
        return None
    maps = list(ir.ArrayAttr(op.attributes["indexing_maps"]))
    return op.operands[0] if maps[0] == maps[1] and ir.AffineMapAttr(maps[0]).value.is_permutation else None


def _element(value: ir.Value) -> ir.Type:
    return ir.RankedTensorType(value.type).element_type


# arith.cmpf predicates: ogt oge ugt uge, olt ole ult ule
_GREATER, _LESS = (2, 3, 9, 10), (4, 5, 11, 12)


def _select_extremum(op: ir.Operation) -> None:
    """``select(a > c, a, c)`` -> ``maximumf a, c``, c a constant.

    Comparison and selection in one body is how torch-mlir writes relu, clamp, hardtanh and leaky_relu. All of them
    keep NaN in PyTorch, as maximumf does; a comparison of the user's own is an operation of its own.
    """
    if op.name != "arith.select" or isinstance(op.operands[0].owner, ir.Block):
        return
    compare = op.operands[0].owner
    if compare.name != "arith.cmpf":
        return
    predicate = ir.IntegerAttr(compare.attributes["predicate"]).value
    compared, chosen = list(compare.operands), list(op.operands)[1:]
    if predicate not in _GREATER + _LESS or compared not in (chosen, chosen[::-1]):
        return
    if not any(_is_number(value) for value in chosen):
        return
    name = "arith.maximumf" if (predicate in _GREATER) == (compared == chosen) else "arith.minimumf"
    with ir.InsertionPoint(op), op.location:
        new = ir.Operation.create(name, results=[op.result.type], operands=sorted(chosen, key=_is_number))
    op.result.replace_all_uses_with(new.result)
    op.erase()


def _is_number(value: ir.Value) -> bool:
    """A constant that is not NaN."""
    op = value.owner
    if isinstance(op, ir.Block) or op.name != "arith.constant":
        return False
    number = ir.FloatAttr(op.attributes["value"]).value
    return number == number


def _drop_dead_results(op: ir.Operation) -> None:
    """Rebuild a generic without the results (and their inits) that have no use, where they are computed apart."""
    body = op.regions[0].blocks[0]
    count = len(op.results)
    inputs = len(op.operands) - count
    live = [k for k in range(count) if list(op.results[k].uses) or _used_elsewhere(body, inputs + k, k)]
    if len(live) == count or not live:
        return
    maps = list(ir.ArrayAttr(op.attributes["indexing_maps"]))
    kept = [*range(inputs), *(inputs + k for k in live)]
    attributes = {name: op.attributes[name] for name in op.attributes}
    attributes["indexing_maps"] = ir.ArrayAttr.get([maps[k] for k in kept])
    attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get([inputs, len(live)])
    with ir.InsertionPoint(op), op.location:
        new = ir.Operation.create(
            "linalg.generic",
            results=[op.results[k].type for k in live],
            operands=[op.operands[k] for k in kept],
            attributes=attributes,
            regions=1,
        )
    body.append_to(new.regions[0])
    _shrink(new.regions[0].blocks[0], inputs, live)
    for position, k in enumerate(live):
        op.results[k].replace_all_uses_with(new.results[position])
    op.erase()


def _shrink(body: ir.Block, inputs: int, live: list[int]) -> None:
    """Yield the live values only, then delete what computed the others, and their block arguments."""
    terminator = body.operations[len(body.operations) - 1].operation
    values = [terminator.operands[k] for k in live]
    with ir.InsertionPoint(terminator), terminator.location:
        ir.Operation.create("linalg.yield", operands=values)
    terminator.erase()
    for op in list(_backwards(body)):
        if op.name != "linalg.yield" and not any(list(result.uses) for result in op.results):
            op.erase()
    for k in range(len(body.arguments) - 1, inputs - 1, -1):
        if k - inputs not in live:
            body.erase_argument(k)


def _backwards(body: ir.Block) -> Iterator[ir.Operation]:
    return reversed([op.operation for op in body.operations])


def _used_elsewhere(body: ir.Block, argument: int, result: int) -> bool:
    """Does the accumulator of ``result`` flow into another yielded value?"""
    terminator = body.operations[len(body.operations) - 1].operation
    reached: set[ir.Value] = {body.arguments[argument]}
    for op in body.operations:
        if op.operation != terminator and any(operand in reached for operand in op.operation.operands):
            reached.update(op.operation.results)
    return any(k != result and value in reached for k, value in enumerate(terminator.operands))
