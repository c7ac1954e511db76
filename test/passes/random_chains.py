"""Random small models as nests: convolutions, pools, matrix products, elementwise, joins, and what lies between."""

from collections.abc import Callable, Sequence
from math import prod

from hypothesis import strategies as st
from random_kinds import fill
from random_nest import Idx, Nest, Value
from random_program import EXACT, Builder, Program, Tensor

MACS = 12_000
"""Most iterations of a nest."""
CHANNELS = (1, 2, 3, 4, 5, 8, 8, 9, 16, 17, 24)
LENGTHS = {1: (9, 12, 17, 24, 40, 64), 2: (5, 6, 8, 9, 12, 16)}


def source(builder: Builder) -> Tensor:
    """What a layer reads: mostly what was made last."""
    made = [tensor for tensor in builder.tensors if tensor.data is None] or builder.tensors[:1]
    tensor = builder.pick(made[-1], made[-1], made[-1], *made)
    return clamped(builder, tensor) if tensor.bound > 8 else tensor


def clamped(builder: Builder, tensor: Tensor) -> Tensor:
    """Its values between -4 and 4, so that sums stay exact."""
    return pointwise(builder, tensor, lambda nest, value: _limited(nest, value, -4, 4))


def _limited(nest: Nest, value: Value, low: float, high: float) -> Value:
    least, most = (nest.builder.constant(value.type, bound) for bound in (low, high))
    above = nest.op(f"arith.maximumf {value.name}, {least} : {value.type}", value.type, value.bound)
    return nest.op(f"arith.minimumf {above.name}, {most} : {value.type}", value.type, max(abs(low), high))


def pointwise(
    builder: Builder,
    tensor: Tensor,
    function: Callable[[Nest, Value], Value] = lambda _, value: value,
    *,
    order: Sequence[int] = (),
    shift: Sequence[int] = (),
    into: Tensor | None = None,
) -> Tensor:
    """``t[order(i) + shift] = function(tensor[i])``, in a new array or a part of ``into``."""
    nest = Nest(builder, tensor.shape)
    order = order or nest.all
    target = into or builder.result([tensor.shape[dim] for dim in order], tensor.element)
    moved = [nest.loops[dim] + offset for dim, offset in zip(order, shift or [0] * len(order), strict=True)]
    nest.store(function(nest, nest.load(tensor, nest.loops)), target, moved)
    if into is None:
        builder.add(target)
    return target


def relu(builder: Builder) -> None:
    tensor = source(builder)
    pointwise(builder, tensor, lambda nest, value: _limited(nest, value, 0, max(1, value.bound)))


def transpose(builder: Builder) -> None:
    tensor = source(builder)
    order: list[int] = builder.draw(st.permutations(range(len(tensor.shape))))
    pointwise(builder, tensor, order=order)


def scale(builder: Builder) -> None:
    """Scale and bias of each channel."""
    tensor = source(builder)
    factors, biases = (builder.input(tensor.shape[:1], tensor.element, 1) for _ in range(2))

    def function(nest: Nest, value: Value) -> Value:
        factor, bias = (nest.load(each, nest.loops[:1]) for each in (factors, biases))
        product = nest.op(f"arith.mulf {value.name}, {factor.name} : {value.type}", value.type, value.bound)
        return nest.op(f"arith.addf {product.name}, {bias.name} : {value.type}", value.type, value.bound + 1)

    pointwise(builder, tensor, function)


def join(builder: Builder) -> None:
    """The sum of two arrays of one shape."""
    tensor = source(builder)
    others = [each for each in builder.tensors if each.shape == tensor.shape and each.bound <= 8]
    other = builder.pick(tensor, *others)

    def function(nest: Nest, value: Value) -> Value:
        more = nest.load(other, nest.loops)
        return nest.op(f"arith.addf {value.name}, {more.name} : {value.type}", value.type, value.bound + more.bound)

    pointwise(builder, tensor, function)


def concat(builder: Builder) -> None:
    """Two arrays beside each other, along any dimension."""
    tensor = source(builder)
    dim = builder.pick(*range(len(tensor.shape)))
    alike = [
        each
        for each in builder.tensors
        if each.bound <= 8 and each.shape[:dim] + each.shape[dim + 1 :] == tensor.shape[:dim] + tensor.shape[dim + 1 :]
    ]
    other = builder.pick(tensor, *alike)
    shape = list(tensor.shape)
    shape[dim] += other.shape[dim]
    if prod(shape) > MACS:
        return
    target = builder.result(shape, tensor.element)
    shift = [tensor.shape[dim] if k == dim else 0 for k in range(len(shape))]
    pointwise(builder, tensor, into=target)
    pointwise(builder, other, shift=shift, into=target)
    builder.add(target)


def upsample(builder: Builder) -> None:
    """Each element twice along the last dimension."""
    tensor = source(builder)
    if 2 * prod(tensor.shape) > MACS:
        return
    nest = Nest(builder, [*tensor.shape, 2])
    *outer, last, twice = nest.loops
    target = builder.result([*tensor.shape[:-1], 2 * tensor.shape[-1]], tensor.element)
    nest.store(nest.load(tensor, [*outer, last]), target, [*outer, last * 2 + twice])
    builder.add(target)


def cut(builder: Builder) -> None:
    """A part of an array, along one dimension."""
    tensor = source(builder)
    dim = builder.pick(*range(len(tensor.shape)))
    low: int = builder.draw(st.integers(0, tensor.shape[dim] - 1))
    extent: int = builder.draw(st.integers(1, tensor.shape[dim] - low))
    nest = Nest(builder, [extent if k == dim else size for k, size in enumerate(tensor.shape)])
    target = builder.result(nest.extents, tensor.element)
    moved = [loop + low if k == dim else loop for k, loop in enumerate(nest.loops)]
    nest.store(nest.load(tensor, moved), target, nest.loops)
    builder.add(target)


def accumulate(nest: Nest, target: Tensor, at: Sequence[Idx], value: Value, combine: str, bound: float) -> None:
    """``target[at] = combine(target[at], value)``."""
    old = nest.load(target, at)
    total = nest.op(f"arith.{combine} {old.name}, {value.name} : {target.element}", target.element, bound)
    nest.store(total, target, at)
    nest.builder.add(target)


def padded(builder: Builder, tensor: Tensor, pad: int, value: float) -> Tensor:
    """The array with a border along all dimensions but the first."""
    target = builder.result([tensor.shape[0], *(size + 2 * pad for size in tensor.shape[1:])], tensor.element)
    fill(builder, target, value)
    pointwise(builder, tensor, shift=[0, *[pad] * (len(tensor.shape) - 1)], into=target)
    target.bound = max(tensor.bound, abs(value))
    builder.add(target)
    return target


def _windows(builder: Builder, tensor: Tensor, border: float) -> tuple[Tensor, list[int], list[int], int, int] | None:
    """A source with its border, output sizes, kernel sizes, stride and dilation; None where no window fits."""
    if len(tensor.shape) == 1:
        return None
    kernel, stride, dilation = builder.pick(1, 2, 3, 3), builder.pick(1, 1, 2), builder.pick(1, 1, 2)
    pad = builder.pick(0, 1, dilation) if kernel > 1 else 0
    reach = (kernel - 1) * dilation
    sizes = [(size + 2 * pad - reach - 1) // stride + 1 for size in tensor.shape[1:]]
    if min(sizes) < 1 or min(tensor.shape[1:]) + 2 * pad <= reach:
        return None
    return padded(builder, tensor, pad, border) if pad else tensor, sizes, [kernel] * len(sizes), stride, dilation


def _reached(outer: Sequence[Idx], kernel: Sequence[Idx], stride: int, dilation: int) -> list[Idx]:
    return [at * stride + tap * dilation for at, tap in zip(outer, kernel, strict=True)]


def convolution(builder: Builder) -> None:
    """Over all dimensions but the first, which is summed over."""
    tensor = source(builder)
    found = _windows(builder, tensor, 0)
    if found is None:
        return
    tensor, sizes, kernel, stride, dilation = found
    channels, reduced = builder.pick(*CHANNELS), [tensor.shape[0], *kernel]
    if channels * prod(sizes) * prod(reduced) > MACS or tensor.bound * prod(reduced) > EXACT[tensor.element] / 2:
        return
    weight = builder.input([channels, *reduced], tensor.element, 1)
    target = builder.result([channels, *sizes], tensor.element)
    fill(builder, target, 0)
    nest, rank = Nest(builder, [channels, *sizes, *reduced]), len(sizes)
    out, at, into, taps = nest.loops[0], nest.loops[1 : 1 + rank], nest.loops[1 + rank], nest.loops[2 + rank :]
    left = nest.load(tensor, [into, *_reached(at, taps, stride, dilation)])
    right = nest.load(weight, [out, into, *taps])
    bound = tensor.bound * prod(reduced)
    product = nest.op(f"arith.mulf {left.name}, {right.name} : {left.type}", left.type, bound)
    accumulate(nest, target, [out, *at], product, "addf", bound)


def pool(builder: Builder) -> None:
    """The maximum or the sum of each window, or a depthwise convolution."""
    tensor = source(builder)
    kind = builder.pick("maximumf", "addf", "mulf")
    found = _windows(builder, tensor, -16 if kind == "maximumf" else 0)
    if found is None:
        return
    tensor, sizes, kernel, stride, dilation = found
    if tensor.shape[0] * prod(sizes) * prod(kernel) > MACS:
        return
    weight = builder.input([tensor.shape[0], *kernel], tensor.element, 1) if kind == "mulf" else None
    target = builder.result([tensor.shape[0], *sizes], tensor.element)
    fill(builder, target, -16 if kind == "maximumf" else 0)
    nest, rank = Nest(builder, [tensor.shape[0], *sizes, *kernel]), len(sizes)
    channel, at, taps = nest.loops[0], nest.loops[1 : 1 + rank], nest.loops[1 + rank :]
    value = nest.load(tensor, [channel, *_reached(at, taps, stride, dilation)])
    if weight is not None:
        factor = nest.load(weight, [channel, *taps])
        value = nest.op(f"arith.mulf {value.name}, {factor.name} : {value.type}", value.type, value.bound)
    bound = value.bound if kind == "maximumf" else value.bound * prod(kernel)
    accumulate(nest, target, [channel, *at], value, "maximumf" if kind == "maximumf" else "addf", bound)


def product(builder: Builder) -> None:
    """The last dimension times a matrix, or times another array of the chain."""
    tensor = source(builder)
    *rows, depth = tensor.shape
    if not rows:
        return
    columns = builder.pick(*CHANNELS)
    fitting = [each for each in builder.tensors if len(each.shape) == 2 and each.shape[0] == depth and each.bound <= 8]
    matrix = builder.pick(*fitting) if fitting else builder.input([depth, columns], tensor.element, 1)
    bound = tensor.bound * matrix.bound * depth
    if prod(tensor.shape) * matrix.shape[1] > MACS or bound > EXACT[tensor.element] / 2:
        return
    target = builder.result([*rows, matrix.shape[1]], tensor.element)
    fill(builder, target, 0)
    nest = Nest(builder, [*rows, matrix.shape[1], depth])
    *at, column, step = nest.loops
    left, right = nest.load(tensor, [*at, step]), nest.load(matrix, [step, column])
    value = nest.op(f"arith.mulf {left.name}, {right.name} : {left.type}", left.type, bound)
    accumulate(nest, target, [*at, column], value, "addf", bound)


def normalise(builder: Builder) -> None:
    """The maximum of each row taken away from it."""
    tensor = source(builder)
    if len(tensor.shape) == 1:
        return
    most = builder.result(tensor.shape[:-1], tensor.element)
    fill(builder, most, -16)
    nest = Nest(builder, tensor.shape)
    accumulate(nest, most, nest.loops[:-1], nest.load(tensor, nest.loops), "maximumf", 16)

    def function(nest: Nest, value: Value) -> Value:
        row = nest.load(most, nest.loops[:-1])
        return nest.op(f"arith.subf {value.name}, {row.name} : {value.type}", value.type, value.bound + 16)

    pointwise(builder, tensor, function)


LAYERS = (
    convolution, convolution, convolution, convolution, pool, pool, relu, scale, join, join,
    product, normalise, upsample, cut, transpose,
)  # fmt: skip


@st.composite
def chains(draw: st.DrawFn, layers: int = 5) -> Program:
    """A model of up to so many layers over one or two dimensions and channels."""
    builder = Builder(draw, shown=8)
    rank = builder.pick(1, 2, 2)
    element = builder.pick("f32", "f32", "f32", "bf16")
    builder.input([builder.pick(*CHANNELS), *(builder.pick(*LENGTHS[rank]) for _ in range(rank))], element, 3)
    for _ in range(draw(st.integers(2, layers))):
        builder.pick(*LAYERS)(builder)
    if all(tensor.data is not None for tensor in builder.tensors):
        relu(builder)
    return builder.program()
