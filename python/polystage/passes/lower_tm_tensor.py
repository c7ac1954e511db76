"""lower-tm-tensor: scans and scatters become affine nests on buffers."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.dialects import affine
from polystage.passes.nests.ir import NotSupportedError, reported, walk
from polystage.passes.nests.linalg import clone_slice, needed_arguments
from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class LowerTmTensor(Pass):
    """Write ``tm_tensor.scan`` and ``tm_tensor.scatter`` as affine nests.

    The only nests before bufferization: a recurrence has no form on tensors. They work on ``bufferization.to_buffer``
    of their operands, so one-shot bufferization still decides about copies.

    Before:
    ```mlir
    %0:2 = tm_tensor.scan dimension(0) inclusive(true) ins(%x : tensor<8xf32>) outs(%init, %acc : ...) { addf }
    ```
    After:
    ```mlir
    %b = bufferization.to_buffer %x read_only : tensor<8xf32> to memref<8xf32>
    %o = memref.alloc() : memref<8xf32>
    affine.for %i = 0 to 1 { %o[0] = %b[0] }
    affine.for %i = 0 to 7 { %o[%i + 1] = %o[%i] + %b[%i + 1] }
    %0 = bufferization.to_tensor %o restrict : memref<8xf32> to tensor<8xf32>
    ```

    Requires: static shapes.
    Refuses: sort, top-k and attention; a scatter that combines updates of one element (indices not unique).
    Statistics: scans, scatters.
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Lower every operation of the dialect tm_tensor."""
        with op.context, reported(ctx):
            for inner in walk(op):
                if inner.name == "tm_tensor.scan":
                    _scan(inner)
                    ctx.statistic("scans")
                elif inner.name == "tm_tensor.scatter":
                    _scatter(inner)
                    ctx.statistic("scatters")
                elif inner.name.startswith("tm_tensor.") and inner.name != "tm_tensor.yield":
                    what = inner.name.removeprefix("tm_tensor.")
                    raise NotSupportedError(inner.location, f"operation '{what}' is not supported")


def _scan(op: ir.Operation) -> None:
    source, _, first = op.operands
    dim = ir.IntegerAttr(op.attributes["dimension"]).value
    inclusive = ir.BoolAttr(op.attributes["inclusive"]).value
    type_ = ir.RankedTensorType(source.type)
    shape, element = list(type_.shape), type_.element_type
    with ir.InsertionPoint(op), op.location:
        x, start = _buffer(source, read_only=True), _buffer(first, read_only=True)
        result = affine.alloc(ir.MemRefType.get(shape, element), "scan")
        here = _shifted(len(shape), dim, 0)
        if inclusive:
            _copy_slice(x, here, result, here, [*shape[:dim], 1, *shape[dim + 1 :]])
        else:
            _copy_slice(start, _without(len(shape), dim), result, here, [*shape[:dim], 1, *shape[dim + 1 :]])
        _recurrence(op, x, result, inclusive)
        op.results[0].replace_all_uses_with(_tensor(result, op.results[0].type))
        if any(True for _ in op.results[1].uses):
            op.results[1].replace_all_uses_with(_last(op, x, result, inclusive))
    op.erase()


def _recurrence(op: ir.Operation, x: ir.Value, result: ir.Value, inclusive: bool) -> None:
    """``result[i + 1] = result[i] . x[i + 1]`` along the scanned dimension; an exclusive scan takes ``x[i]``."""
    dim = ir.IntegerAttr(op.attributes["dimension"]).value
    shape = list(ir.MemRefType(result.type).shape)
    here, after = _shifted(len(shape), dim, 0), _shifted(len(shape), dim, 1)
    block = op.regions[0].blocks[0]
    shape[dim] -= 1
    with affine.nest(shape) as ivs:
        before, element = affine.load(result, here, ivs), affine.load(x, after if inclusive else here, ivs)
        affine.store(_combined(block, [before, element]), result, after, ivs)


def _last(op: ir.Operation, x: ir.Value, result: ir.Value, inclusive: bool) -> ir.Value:
    """The final accumulator: the last element, combined with the last input if the scan left that out."""
    dim = ir.IntegerAttr(op.attributes["dimension"]).value
    shape = list(ir.MemRefType(result.type).shape)
    type_ = ir.RankedTensorType(op.results[1].type)
    total = affine.alloc(ir.MemRefType.get(list(type_.shape), type_.element_type), "scan_total")
    last, kept = _shifted(len(shape), dim, shape[dim] - 1), _without(len(shape), dim)
    with affine.nest([*shape[:dim], 1, *shape[dim + 1 :]]) as ivs:
        value = affine.load(result, last, ivs)
        if not inclusive:
            value = _combined(op.regions[0].blocks[0], [value, affine.load(x, last, ivs)])
        affine.store(value, total, kept, ivs)
    return _tensor(total, type_)


def _scatter(op: ir.Operation) -> None:
    updates, indices, original = op.operands
    block = op.regions[0].blocks[0]
    terminator = list(block.operations)[-1].operation
    combines = 1 in needed_arguments(terminator.operands[0], block)
    if combines and not ir.BoolAttr(op.attributes["unique_indices"]).value:
        message = "a scatter that combines several updates of one element is not supported"
        raise NotSupportedError(op.location, message)
    shape = list(ir.RankedTensorType(updates.type).shape)
    rank = ir.RankedTensorType(original.type).rank
    dimensions = list(ir.DenseI64ArrayAttr(op.attributes["dimension_map"]))
    with ir.InsertionPoint(op), op.location:
        update, index = _buffer(updates, read_only=True), _buffer(indices, read_only=True)
        target = _buffer(original, read_only=False)
        with affine.nest(shape) as ivs:
            place = _place(index, dimensions, ivs, rank)
            value = affine.load(update, ir.AffineMap.get_identity(len(shape)), ivs)
            element = value.type
            old = ir.Operation.create("memref.load", [element], [target, *place]).result if combines else value
            ir.Operation.create("memref.store", [], [_combined(block, [value, old]), target, *place])
        op.results[0].replace_all_uses_with(_tensor(target, op.results[0].type))
    op.erase()


def _place(index: ir.Value, dimensions: Sequence[int], ivs: Sequence[ir.Value], rank: int) -> list[ir.Value]:
    """Where update ``ivs`` goes: the trailing ivs are the position in the slice, and indices move the slice."""
    slice_ivs = list(ivs[1:])
    place: list[ir.Value | None] = [*[None] * (rank - len(slice_ivs)), *slice_ivs]
    for column, dim in enumerate(dimensions):
        row = ir.AffineMap.get(1, 0, [ir.AffineExpr.get_dim(0), ir.AffineExpr.get_constant(column)])
        loaded = affine.load(index, row, ivs[:1])
        start = ir.Operation.create("arith.index_cast", [ir.IndexType.get()], [loaded]).result
        offset = place[dim]
        if offset is not None:
            start = ir.Operation.create("arith.addi", [ir.IndexType.get()], [start, offset]).result
        place[dim] = start
    return [value for value in place if value is not None]


def _combined(block: ir.Block, values: Sequence[ir.Value]) -> ir.Value:
    """What ``block`` yields for ``values``."""
    terminator = list(block.operations)[-1].operation
    return clone_slice(terminator.operands, block, dict(zip(block.arguments, values, strict=True)))[0]


def _copy_slice(
    source: ir.Value, read: ir.AffineMap, target: ir.Value, write: ir.AffineMap, shape: Sequence[int]
) -> None:
    with affine.nest(shape) as ivs:
        affine.store(affine.load(source, read, ivs), target, write, ivs)


def _shifted(rank: int, dim: int, by: int) -> ir.AffineMap:
    """The identity with ``by`` added to dimension ``dim``."""
    dims = [ir.AffineExpr.get_dim(k) for k in range(rank)]
    return ir.AffineMap.get(rank, 0, [expr + by if k == dim else expr for k, expr in enumerate(dims)])


def _without(rank: int, dim: int) -> ir.AffineMap:
    """The projection that leaves out dimension ``dim``."""
    return ir.AffineMap.get(rank, 0, [ir.AffineExpr.get_dim(k) for k in range(rank) if k != dim])


def _buffer(tensor: ir.Value, *, read_only: bool) -> ir.Value:
    type_ = ir.RankedTensorType(tensor.type)
    marks: dict[str, ir.Attribute] = {"read_only": ir.UnitAttr.get()} if read_only else {}
    memref = ir.MemRefType.get(list(type_.shape), type_.element_type)
    return ir.Operation.create("bufferization.to_buffer", [memref], [tensor], marks).result


def _tensor(memref: ir.Value, type_: ir.Type) -> ir.Value:
    marks: dict[str, ir.Attribute] = {"restrict": ir.UnitAttr.get(), "writable": ir.UnitAttr.get()}
    return ir.Operation.create("bufferization.to_tensor", [type_], [memref], marks).result
