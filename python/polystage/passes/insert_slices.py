"""insert-slices: padding and concatenation become slices inserted into a new tensor."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.nests.ir import NotSupportedError, defining_op, reported, walk
from polystage.passes.nests.linalg import filled
from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class InsertSlices(Pass):
    """Write ``tensor.pad`` and ``tensor.concat`` with ``tensor.insert_slice``.

    Negative padding takes a slice of the source first.

    Before:
    ```mlir
    %p = tensor.pad %x low[1] high[0] { yield %zero } : tensor<8xf32> to tensor<9xf32>
    %c = tensor.concat dim(0) %p, %y : (tensor<9xf32>, tensor<8xf32>) -> tensor<17xf32>
    ```
    After:
    ```mlir
    %f = linalg.fill ins(%zero : f32) outs(%e0 : tensor<9xf32>) -> tensor<9xf32>
    %p = tensor.insert_slice %x into %f[1] [8] [1] : tensor<8xf32> into tensor<9xf32>
    %0 = tensor.insert_slice %p into %e1[0] [9] [1] : tensor<9xf32> into tensor<17xf32>
    %c = tensor.insert_slice %y into %0[9] [8] [1] : tensor<8xf32> into tensor<17xf32>
    ```

    Requires: static shapes (of operands, up to a ``tensor.cast``).
    Refuses: padding with a value that depends on the position.
    Statistics: pads, concats.
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Rewrite every pad and concat."""
        with op.context, reported(ctx):
            for inner in walk(op):
                if inner.name == "tensor.pad":
                    _replace(inner, _padded(inner))
                    ctx.statistic("pads")
                elif inner.name == "tensor.concat":
                    _replace(inner, _concatenated(inner))
                    ctx.statistic("concats")


def _replace(op: ir.Operation, value: ir.Value) -> None:
    op.results[0].replace_all_uses_with(value)
    op.erase()


def _padded(op: ir.Operation) -> ir.Value:
    low, high = (list(ir.DenseI64ArrayAttr(op.attributes[key])) for key in ("static_low", "static_high"))
    with ir.InsertionPoint(op), op.location:
        padding = _padding(op)
        source = op.operands[0]
        shape = ir.RankedTensorType(source.type).shape
        offsets = [max(0, -cut) for cut in low]
        sizes = [size + min(0, a) + min(0, b) for size, a, b in zip(shape, low, high, strict=True)]
        if sizes != list(shape):
            source = _extract(source, offsets, sizes)
        return _insert(source, filled(op.results[0].type, padding), [max(0, pad) for pad in low])


def _padding(op: ir.Operation) -> ir.Value:
    """The value of the padding, outside of the body of ``op``."""
    block = op.regions[0].blocks[0]
    value = list(block.operations)[-1].operation.operands[0]
    maker = defining_op(value)
    if maker is not None and maker.name == "arith.constant":
        return maker.clone().operation.results[0]
    if (value.owner if maker is None else maker.block) == block:
        raise NotSupportedError(op.location, "padding with a value that depends on the position is not supported")
    return value


def _concatenated(op: ir.Operation) -> ir.Value:
    dim = ir.IntegerAttr(op.attributes["dim"]).value
    with ir.InsertionPoint(op), op.location:
        result = ir.Operation.create("tensor.empty", [op.results[0].type]).result
        offsets = [0] * ir.RankedTensorType(result.type).rank
        for operand in op.operands:
            piece = _static(operand)
            result = _insert(piece, result, offsets)
            offsets[dim] += ir.RankedTensorType(piece.type).shape[dim]
    return result


def _static(value: ir.Value) -> ir.Value:
    """``value`` before a ``tensor.cast`` that forgets its shape."""
    op = defining_op(value)
    return op.operands[0] if op is not None and op.name == "tensor.cast" else value


def _extract(source: ir.Value, offsets: Sequence[int], sizes: Sequence[int]) -> ir.Value:
    type_ = ir.RankedTensorType.get(sizes, ir.RankedTensorType(source.type).element_type)
    attributes = _slice(offsets, sizes, [1, 0, 0, 0])
    return ir.Operation.create("tensor.extract_slice", [type_], [source], attributes).result


def _insert(source: ir.Value, target: ir.Value, offsets: Sequence[int]) -> ir.Value:
    attributes = _slice(offsets, ir.RankedTensorType(source.type).shape, [1, 1, 0, 0, 0])
    return ir.Operation.create("tensor.insert_slice", [target.type], [source, target], attributes).result


def _slice(offsets: Sequence[int], sizes: Sequence[int], segments: list[int]) -> dict[str, ir.Attribute]:
    return {
        "static_offsets": ir.DenseI64ArrayAttr.get(list(offsets)),
        "static_sizes": ir.DenseI64ArrayAttr.get(list(sizes)),
        "static_strides": ir.DenseI64ArrayAttr.get([1] * len(sizes)),
        "operandSegmentSizes": ir.DenseI32ArrayAttr.get(segments),
    }
