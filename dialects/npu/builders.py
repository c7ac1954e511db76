"""One function per instruction; each creates its op at the current insertion point and location.

``sizes`` is the iteration box, ``maps`` has one affine map per memref in operand order, ``indices`` are the values of
the maps' symbols. They go through ``Operation.create``, which is eight times faster than the op classes.
"""

from collections.abc import Mapping, Sequence

from torch_mlir import ir

from polystage.dialects.npu.signatures import SIGNATURES

Number = int | float
Step = tuple[str, Number | None, bool]


def dma_start(
    src: ir.Value,
    dst: ir.Value,
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    cause: str,
) -> ir.Value:
    """Start ``dst = src``; returns the token to wait for."""
    return _transfer("npu.dma_start", (src, dst), indices, sizes, maps, cause)


def dma_wait(token: ir.Value) -> ir.Operation:
    """Wait for the transfer that made ``token``."""
    return ir.Operation.create("npu.dma_wait", operands=[token])


def gather(
    src: ir.Value,
    dst: ir.Value,
    index_memrefs: Sequence[ir.Value],
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    cause: str,
) -> ir.Value:
    """Start an indirect transfer DRAM to SBUF; ``src``'s map has one more dimension per index memref."""
    return _transfer("npu.gather", (src, dst, *index_memrefs), indices, sizes, maps, cause)


def scatter(
    src: ir.Value,
    dst: ir.Value,
    index_memrefs: Sequence[ir.Value],
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    cause: str,
) -> ir.Value:
    """Start an indirect transfer SBUF to DRAM; ``dst``'s map has one more dimension per index memref."""
    return _transfer("npu.scatter", (src, dst, *index_memrefs), indices, sizes, maps, cause)


def matmul(
    dst: ir.Value,
    stationary: ir.Value,
    moving: ir.Value,
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    accumulate: bool,
) -> ir.Operation:
    """``dst (+)= stationary^T * moving`` over the box ``[K, M, N..]``."""
    attributes = {"accumulate": ir.BoolAttr.get(accumulate)}
    return _compute("npu.matmul", (dst, stationary, moving), indices, sizes, maps, attributes)


def transpose(
    dst: ir.Value, src: ir.Value, indices: Sequence[ir.Value], *, sizes: Sequence[int], maps: Sequence[ir.AffineMap]
) -> ir.Operation:
    """``dst = src`` with lanes and free dimension exchanged, box ``[P, F]``."""
    return _compute("npu.transpose", (dst, src), indices, sizes, maps, {})


def activation(
    dst: ir.Value,
    src: ir.Value,
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    func: str,
    scale: float | ir.Value = 1.0,
    bias: float | ir.Value = 0.0,
) -> ir.Operation:
    """``dst = func(scale * src + bias)``; memrefs ``bias`` and ``scale`` hold one value per lane.

    Their maps come last, that of the scale behind that of the bias, without which there is none.
    """
    attributes: dict[str, ir.Attribute] = {"func": ir.StringAttr.get(func)}
    memrefs = (dst, src)
    if isinstance(bias, ir.Value):
        memrefs = (dst, src, bias)
    else:
        attributes["bias"] = _f32(bias)
    if isinstance(scale, ir.Value):
        assert isinstance(bias, ir.Value)
        memrefs = (*memrefs, scale)
    else:
        attributes["scale"] = _f32(scale)
    return _compute("npu.activation", memrefs, indices, sizes, maps, attributes)


def tensor_tensor(
    dst: ir.Value,
    a: ir.Value,
    b: ir.Value,
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    op: str,
) -> ir.Operation:
    """``dst = a op b``."""
    return _compute("npu.tensor_tensor", (dst, a, b), indices, sizes, maps, {"op": ir.StringAttr.get(op)})


def tensor_scalar(
    dst: ir.Value,
    src: ir.Value,
    scalars: Sequence[ir.Value],
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    ops: Sequence[Step],
) -> ir.Operation:
    """``dst = (src op0 scalar0) op1 scalar1``.

    ``ops`` has one or two of ``(op, number or None, reverse)``. Each None takes the next memref of ``scalars``. A float
    becomes an f32 attribute, an int an i32 one.
    """
    attributes: dict[str, ir.Attribute] = {}
    for i, (op, number, reverse) in enumerate(ops):
        attributes[f"op{i}"] = ir.StringAttr.get(op)
        attributes[f"reverse{i}"] = ir.BoolAttr.get(reverse)
        if number is not None:
            attributes[f"scalar{i}"] = number_attribute(number)
    return _compute("npu.tensor_scalar", (dst, src, *scalars), indices, sizes, maps, attributes)


def scalar_tensor_tensor(
    dst: ir.Value,
    a: ir.Value,
    scalar: ir.Value,
    b: ir.Value,
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    op0: str,
    op1: str,
) -> ir.Operation:
    """``dst = (a op0 scalar) op1 b``; ``scalar`` holds one value per lane."""
    attributes = {"op0": ir.StringAttr.get(op0), "op1": ir.StringAttr.get(op1)}
    return _compute("npu.scalar_tensor_tensor", (dst, a, scalar, b), indices, sizes, maps, attributes)


def tensor_reduce(
    dst: ir.Value,
    src: ir.Value,
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    op: str,
) -> ir.Operation:
    """``dst`` = ``src`` reduced with ``op`` over the free dimensions that ``dst``'s map does not use."""
    return _compute("npu.tensor_reduce", (dst, src), indices, sizes, maps, {"op": ir.StringAttr.get(op)})


def tensor_copy(
    dst: ir.Value,
    src: ir.Value,
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    cause: str = "",
) -> ir.Operation:
    """``dst = src``, converted to ``dst``'s element type; ``cause`` says why where the model has no such copy."""
    attributes = {"cause": ir.StringAttr.get(cause)} if cause else {}
    return _compute("npu.tensor_copy", (dst, src), indices, sizes, maps, attributes)


def select(
    dst: ir.Value,
    pred: ir.Value,
    a: ir.Value,
    b: ir.Value,
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
) -> ir.Operation:
    """``dst = pred ? a : b``."""
    return _compute("npu.select", (dst, pred, a, b), indices, sizes, maps, {})


def iota(
    dst: ir.Value,
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    value: ir.AffineMap,
) -> ir.Operation:
    """``dst`` = the value of the one-result map ``value`` at each point of the box."""
    return _compute("npu.iota", (dst,), indices, sizes, maps, {"value": ir.AffineMapAttr.get(value)})


def memset(
    dst: ir.Value,
    indices: Sequence[ir.Value],
    *,
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    value: Number,
) -> ir.Operation:
    """``dst = value``; a float becomes an f32 attribute, an int an i32 one."""
    return _compute("npu.memset", (dst,), indices, sizes, maps, {"value": number_attribute(value)})


def number_attribute(number: Number) -> ir.Attribute:
    """An immediate as instructions hold it: ``f32`` for a float, ``i32`` for an int (or bool)."""
    if isinstance(number, float):
        return _f32(number)
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(32), number)


def _f32(number: float) -> ir.Attribute:
    return ir.FloatAttr.get(ir.F32Type.get(), number)


def _transfer(
    name: str,
    memrefs: Sequence[ir.Value],
    indices: Sequence[ir.Value],
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    cause: str,
) -> ir.Value:
    attributes = {"cause": ir.StringAttr.get(cause)}
    token = ir.Type.parse("!npu.token")
    return _create(name, memrefs, indices, sizes, maps, attributes, [token]).results[0]


def _compute(
    name: str,
    memrefs: Sequence[ir.Value],
    indices: Sequence[ir.Value],
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    attributes: Mapping[str, ir.Attribute],
) -> ir.Operation:
    return _create(name, memrefs, indices, sizes, maps, attributes, [])


def _create(
    name: str,
    memrefs: Sequence[ir.Value],
    indices: Sequence[ir.Value],
    sizes: Sequence[int],
    maps: Sequence[ir.AffineMap],
    attributes: Mapping[str, ir.Attribute],
    results: Sequence[ir.Type],
) -> ir.Operation:
    every = dict(attributes)
    every["sizes"] = ir.DenseI64ArrayAttr.get(list(sizes))
    every["maps"] = ir.ArrayAttr.get([ir.AffineMapAttr.get(map_) for map_ in maps])
    signature = SIGNATURES[name]
    if signature.optional:
        segments = signature.segments(len(memrefs), len(indices))
        every["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get(list(segments))
    return ir.Operation.create(name, results=results, operands=[*memrefs, *indices], attributes=every)
