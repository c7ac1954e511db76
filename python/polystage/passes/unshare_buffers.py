"""unshare-buffers: each value of the model gets a buffer of its own, and bufferization has nothing to copy."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.nests.ir import defining_op, functions, walk
from polystage.passes.nests.linalg import generic, parallel, segments, yielded
from polystage.pipeline import Pass, PassContext

FRESH = frozenset(("tensor.empty", "linalg.fill", "linalg.broadcast"))
"""Operations that make the initial value of a destination and are cheaper to repeat than to copy."""


@dataclass(frozen=True)
class UnshareBuffers(Pass):
    """Give every operation on tensors a destination that no other operation uses.

    - a destination whose old contents the operation does not read becomes a ``tensor.empty``;
    - a ``tensor.empty``, ``linalg.fill`` or ``linalg.broadcast`` with several users is repeated for each of them;
    - a computed value into which a slice is inserted is copied first, as is a result of the function that is an
      argument or another result;
    - arguments of the function are marked ``bufferization.writable = false``.

    Before:
    ```mlir
    %e = tensor.empty() : tensor<8xf32>
    %a = linalg.exp ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    %b = linalg.log ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    ```
    After:
    ```mlir
    %e0 = tensor.empty() : tensor<8xf32>
    %a = linalg.exp ins(%x : tensor<8xf32>) outs(%e0 : tensor<8xf32>) -> tensor<8xf32>
    %e1 = tensor.empty() : tensor<8xf32>
    %b = linalg.log ins(%x : tensor<8xf32>) outs(%e1 : tensor<8xf32>) -> tensor<8xf32>
    ```

    Requires: linalg on tensors.
    Statistics: emptied (destinations not read), repeated (shared initial values), copied (values).
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Rewrite all functions."""
        with op.context:
            for func in functions(op):
                _protect_arguments(func)
                for inner in walk(func):
                    _own_destinations(inner, ctx)
                    if inner.name == "func.return":
                        _own_results(inner, ctx)
            _erase_unused(op)


def _protect_arguments(func: ir.Operation) -> None:
    count = len(func.regions[0].blocks[0].arguments)
    old = (
        list(ir.ArrayAttr(func.attributes["arg_attrs"]))
        if "arg_attrs" in func.attributes
        else [ir.DictAttr.get()] * count
    )
    read_only = {"bufferization.writable": ir.BoolAttr.get(False)}
    func.attributes["arg_attrs"] = ir.ArrayAttr.get(
        [ir.DictAttr.get({**{a.name: a.attr for a in ir.DictAttr(attrs)}, **read_only}) for attrs in old]
    )


def _own_destinations(op: ir.Operation, ctx: PassContext) -> None:
    for position in destinations(op):
        operand = op.operands[position]
        if op.name == "linalg.generic" and not _reads_destination(op, position):
            if not _is_empty(operand):
                op.operands[position] = _empty(op, operand.type)
                ctx.statistic("emptied")
        elif op.name in ("tensor.insert_slice", "bufferization.to_buffer") and not _is_initial(operand):
            undefined = _is_undefined(operand)
            op.operands[position] = _empty(op, operand.type) if undefined else _copy(op, operand)
            ctx.statistic("emptied" if undefined else "copied")
        _own(op, position, ctx)


def destinations(op: ir.Operation) -> Sequence[int]:
    """Positions of the operands that the results of ``op`` overwrite."""
    if op.name == "tensor.insert_slice":
        return (1,)
    if op.name == "bufferization.to_buffer" and "read_only" not in op.attributes:
        return (0,)
    if op.name.startswith("linalg.") and len(op.results) and "operandSegmentSizes" in op.attributes:
        inputs, outputs = list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))
        return range(inputs, inputs + outputs)
    if op.name in ("linalg.transpose", "linalg.broadcast"):
        return (1,)
    return ()


def _reads_destination(op: ir.Operation, position: int) -> bool:
    block = op.regions[0].blocks[0]
    return any(True for _ in block.arguments[position].uses)


def _is_empty(value: ir.Value) -> bool:
    op = defining_op(value)
    return op is not None and op.name == "tensor.empty"


def _is_fresh(op: ir.Operation) -> bool:
    """Whether ``op`` makes a tensor from at most a scalar or a vector."""
    if op.name != "linalg.generic":
        return op.name in FRESH
    scalar = defining_op(yielded(op)[0])
    return segments(op) == (0, 1) and scalar is not None and scalar.block != op.regions[0].blocks[0]


def _is_initial(value: ir.Value) -> bool:
    """Whether ``value`` is a fresh value with nothing but slices inserted, for this use only."""
    op = defining_op(value)
    if op is None:
        return False
    if op.name == "tensor.insert_slice":
        return len(list(value.uses)) == 1 and _is_initial(op.operands[1])
    return _is_fresh(op)


def _is_undefined(value: ir.Value) -> bool:
    """Whether ``value`` is a slice of a ``tensor.empty``."""
    op = defining_op(value)
    if op is None or op.name not in ("tensor.extract_slice", "tensor.empty"):
        return False
    return op.name == "tensor.empty" or _is_undefined(op.operands[0])


def _own(op: ir.Operation, position: int, ctx: PassContext) -> None:
    """Repeat a fresh destination that has other users, and the fresh values it is made from."""
    source = defining_op(op.operands[position])
    if source is None or not _is_fresh(source):
        return
    if len(list(source.results[0].uses)) > 1:
        with ir.InsertionPoint(op):
            source = source.clone().operation
        op.operands[position] = source.results[0]
        ctx.statistic("repeated")
    for inner in destinations(source):
        _own(source, inner, ctx)


def _own_results(op: ir.Operation, ctx: PassContext) -> None:
    seen = set[ir.Value]()
    for position, operand in enumerate(op.operands):
        if (defining_op(operand) is None or operand in seen) and isinstance(operand.type, ir.RankedTensorType):
            op.operands[position] = _copy(op, operand)
            ctx.statistic("copied")
        seen.add(operand)


def _empty(before: ir.Operation, type_: ir.Type) -> ir.Value:
    with ir.InsertionPoint(before), before.location:
        return ir.Operation.create("tensor.empty", [type_]).result


def _copy(before: ir.Operation, value: ir.Value) -> ir.Value:
    """``value`` in a tensor of its own."""
    rank = ir.RankedTensorType(value.type).rank
    identity = ir.AffineMap.get_identity(rank)
    empty = _empty(before, value.type)
    with ir.InsertionPoint(before), before.location:
        return generic(([value], [empty]), [identity, identity], parallel(rank), lambda arguments: arguments[:1]).result


def _erase_unused(root: ir.Operation) -> None:
    for op in reversed(walk(root)):
        if op.name.startswith(("tensor.", "linalg.")) and len(op.results) and not any(True for _ in op.results[0].uses):
            op.erase()
