"""From the access map of an operand to a numpy view: address arithmetic is done once, when the program is decoded.

An access is linear: its byte offset is a constant plus a multiple of each loop counter. What runs in a loop is one
closure per operand that works out the offset and returns the view there, made when the offset is first met.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from torch_mlir import ir

from polystage.interp.memory import Array, Buffer, Fault, Window

if TYPE_CHECKING:
    from polystage.interp.core import Site

_CACHED_WINDOWS = 512
_UNCHECKED = -2


@dataclass(frozen=True)
class Linear:
    """``constant`` + sum of ``factor * d<dim>`` + sum of ``factor * env[slot]``; the dims are those of a box."""

    constant: int = 0
    dims: Mapping[int, int] = field(default_factory=dict[int, int])
    slots: Mapping[int, int] = field(default_factory=dict[int, int])

    def plus(self, other: "Linear") -> "Linear":
        """The sum."""
        return Linear(self.constant + other.constant, _add(self.dims, other.dims), _add(self.slots, other.slots))

    def times(self, factor: int) -> "Linear":
        """The product with a number."""
        return Linear(self.constant * factor, _scale(self.dims, factor), _scale(self.slots, factor))

    @property
    def is_constant(self) -> bool:
        """Whether it depends on nothing."""
        return not self.dims and not self.slots


@dataclass(frozen=True)
class Span:
    """The values a loop counter or an index takes: ``low`` to ``high``, both included.

    ``exact`` says that both are taken and that the value is independent of every other.
    """

    low: int
    high: int
    exact: bool = True


def linear(expr: ir.AffineExpr, dims: Sequence[Linear], symbols: Sequence[Linear]) -> Linear | None:
    """``expr`` over the given operands, or None where it is not linear (mod, floordiv, a product of variables)."""
    if isinstance(expr, ir.AffineConstantExpr):
        return Linear(expr.value)
    if isinstance(expr, ir.AffineDimExpr):
        return dims[expr.position]
    if isinstance(expr, ir.AffineSymbolExpr):
        return symbols[expr.position]
    if not isinstance(expr, ir.AffineAddExpr | ir.AffineMulExpr):
        return None
    left, right = linear(expr.lhs, dims, symbols), linear(expr.rhs, dims, symbols)
    if left is None or right is None:
        return None
    if isinstance(expr, ir.AffineAddExpr):
        return left.plus(right)
    if right.is_constant:
        return left.times(right.constant)
    return right.times(left.constant) if left.is_constant else None


@dataclass(eq=False)
class Access:
    """One operand of one instruction: which elements of ``buffer`` it names, for all values of the loop counters.

    ``indices`` are the memref's index expressions, ``shape`` and ``strides`` (bytes) those of the view, and
    ``terms`` the slots that move its offset. ``unproved`` are the dimensions to be checked against the memref's shape
    each time, because interval arithmetic at decode could not.
    """

    site: "Site"
    role: str
    buffer: Buffer
    indices: tuple[Linear, ...]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    base: int
    terms: tuple[tuple[int, int], ...]
    unproved: tuple[int, ...]
    windows: dict[int, Window] = field(default_factory=dict[int, Window])

    def complain(self, kind: str, text: str) -> Fault:
        """The fault ``text`` at this operand, with the loop counters as they are now."""
        return self.site.fault(kind, f"{self.role} {self.buffer.label}: {text}")

    def open(self, offset: int) -> Window:
        """The window at byte ``offset`` of the memory; kept for the next time."""
        buffer = self.buffer
        data: Array = np.ndarray(self.shape, buffer.dtype, buffer.memory.data, offset, self.strides)
        window = Window(data, offset, _UNCHECKED if buffer.memory.shadow is not None else 0)
        if len(self.windows) < _CACHED_WINDOWS:
            self.windows[offset] = window
        return window

    def flatten(self) -> bool:
        """Merge all dimensions of the view but the first into one, if they lie evenly; whether that was so."""
        shape, strides = self.shape[1:], self.strides[1:]
        merged: list[tuple[int, int]] = []
        for extent, stride in zip(shape, strides, strict=True):
            if extent == 1:
                continue
            if merged and merged[-1][1] == extent * stride:
                merged[-1] = (merged[-1][0] * extent, stride)
            else:
                merged.append((extent, stride))
        if len(merged) > 1:
            return False
        extent, stride = merged[0] if merged else (1, self.buffer.itemsize)
        self.shape, self.strides = (self.shape[0], extent), (self.strides[0], stride)
        return True


def build(site: "Site", role: str, buffer: Buffer, indices: Sequence[Linear], dims: Sequence[int | None]) -> Access:
    """The access whose view has one dimension for each of ``dims``: box dimensions of ``site``, None for extent 1.

    Raises Fault (out-of-bounds) where an index certainly leaves the memref.
    """
    unproved = _bounds(site, role, buffer, indices)
    offset = Linear(buffer.origin)
    for index, stride in zip(indices, buffer.strides, strict=True):
        offset = offset.plus(index.times(stride))
    return Access(
        site,
        role,
        buffer,
        tuple(indices),
        tuple([1 if dim is None else site.sizes[dim] for dim in dims]),
        tuple([0 if dim is None else offset.dims.get(dim, 0) for dim in dims]),
        offset.constant,
        tuple(offset.slots.items()),
        unproved,
    )


def windows(access: Access, write: bool) -> Callable[[], Window]:
    """A closure that returns the window of ``access`` at this point of the loops, checked or marked as written."""
    find = finder(access)
    shadow = access.buffer.memory.shadow
    if shadow is None:
        return find
    settle, buffer, complain = shadow.write if write else shadow.read, access.buffer, access.complain

    def checked() -> Window:
        window = find()
        if window.stamp != buffer.stamp:
            settle(buffer, window, complain)
        return window

    return checked


def views(access: Access, write: bool) -> Callable[[], Array]:
    """Like ``windows``, but returns the numpy view: the form that engine instructions use."""
    if access.unproved or len(access.terms) > 3:
        window_at = windows(access, write)
        return lambda: window_at().data
    view, env, base = _viewer(access, write), access.site.env, access.base
    slots, scales = [slot for slot, _ in access.terms], [scale for _, scale in access.terms]
    if not slots:
        return lambda: view(base)
    if len(slots) == 1:
        (slot,), (scale,) = slots, scales
        return lambda: view(base + scale * env[slot])
    if len(slots) == 2:
        (slot, slot2), (scale, scale2) = slots, scales
        return lambda: view(base + scale * env[slot] + scale2 * env[slot2])
    (slot, slot2, slot3), (scale, scale2, scale3) = slots, scales
    return lambda: view(base + scale * env[slot] + scale2 * env[slot2] + scale3 * env[slot3])


def _viewer(access: Access, write: bool) -> Callable[[int], Array]:
    """What returns the view at an offset, checked or marked as written."""
    buffer, complain, known, open_ = access.buffer, access.complain, access.windows, access.open
    shadow = buffer.memory.shadow
    settle = (shadow.write if write else shadow.read) if shadow else None

    def view(offset: int) -> Array:
        window = known.get(offset)
        if window is None:
            window = open_(offset)
        if window.stamp != buffer.stamp and settle is not None:
            settle(buffer, window, complain)
        return window.data

    return view


def finder(access: Access) -> Callable[[], Window]:
    """A closure that returns the window of ``access`` at this point of the loops, in bounds but not checked."""
    return _proved(access, _finder(access)) if access.unproved else _finder(access)


def _finder(access: Access) -> Callable[[], Window]:
    env, base, terms, known, open_ = access.site.env, access.base, access.terms, access.windows, access.open
    if not terms:
        window = open_(base)
        return lambda: window

    def by_many() -> Window:
        offset = base
        for slot, scale in terms:
            offset += scale * env[slot]
        window = known.get(offset)
        return open_(offset) if window is None else window

    return by_many


def _proved(access: Access, find: Callable[[], Window]) -> Callable[[], Window]:
    def in_bounds() -> Window:
        for dim in access.unproved:
            low, high = _range_now(access, access.indices[dim])
            if low < 0 or high >= access.buffer.shape[dim]:
                raise access.complain("out-of-bounds", _outside(dim, low, high, access.buffer.shape))
        return find()

    return in_bounds


def _range_now(access: Access, index: Linear) -> tuple[int, int]:
    middle = index.constant + sum(scale * access.site.env[slot] for slot, scale in index.slots.items())
    reach = [scale * (access.site.sizes[dim] - 1) for dim, scale in index.dims.items()]
    return middle + sum(min(0, r) for r in reach), middle + sum(max(0, r) for r in reach)


def _bounds(site: "Site", role: str, buffer: Buffer, indices: Sequence[Linear]) -> tuple[int, ...]:
    unproved: list[int] = []
    for dim, index in enumerate(indices):
        spans = [(scale, Span(0, site.sizes[d] - 1)) for d, scale in index.dims.items() if d < len(site.sizes)]
        spans += [(scale, site.spans[slot]) for slot, scale in index.slots.items()]
        low = index.constant + sum(min(scale * span.low, scale * span.high) for scale, span in spans)
        high = index.constant + sum(max(scale * span.low, scale * span.high) for scale, span in spans)
        if low >= 0 and high < buffer.shape[dim]:
            continue
        if all(span.exact for _, span in spans):
            text = f"{role} {buffer.label}: {_outside(dim, low, high, buffer.shape)}"
            raise site.fault("out-of-bounds", text, with_loops=False)
        unproved.append(dim)
    return tuple(unproved)


def _outside(dim: int, low: int, high: int, shape: tuple[int, ...]) -> str:
    taken = f"{low} to {high}" if low != high else f"{low}"
    return f"out-of-bounds access: index {dim} takes {taken}, its extent is {shape[dim]}"


def _add(a: Mapping[int, int], b: Mapping[int, int]) -> dict[int, int]:
    total = dict(a)
    for key, value in b.items():
        total[key] = total.get(key, 0) + value
    return {key: value for key, value in total.items() if value}


def _scale(a: Mapping[int, int], factor: int) -> dict[int, int]:
    return {key: value * factor for key, value in a.items()} if factor else {}
