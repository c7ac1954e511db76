"""Random chains of copies over small integer tensors: affine text, and what numpy says that it computes.

Each shape of copy is one method that emits nests and returns numpy's result, so that the two meanings are independent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

Choose = Callable[[int], int]
"""``choose(n)``: one of 0 .. n - 1."""
Place = Callable[[list[str]], Sequence[str]]
"""Indices of an access from the induction variables."""
Array = np.ndarray[Any, Any]
LARGEST = 400


@dataclass(frozen=True)
class Value:
    """An array of the program and its contents."""

    name: str
    data: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def type(self) -> str:
        return f"memref<{''.join(f'{n}x' for n in self.shape)}i32>"


@dataclass
class Chain:
    """A program under construction."""

    choose: Choose
    lines: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def alloc(self, data: Array) -> Value:
        name = f"t{len(self.values)}"
        value = Value(f"%{name}", np.array(data, order="C"))
        self.lines.append(f'  {value.name} = memref.alloc() {{polystage.name = "{name}"}} : {value.type}')
        self.values.append(value)
        return value

    def nest(self, extents: Sequence[int], body: Callable[[list[str]], Sequence[str]]) -> None:
        """Loops of one trip are promoted."""
        ivs = [f"%i{d}" if n > 1 else "0" for d, n in enumerate(extents)]
        loops = [(iv, n) for iv, n in zip(ivs, extents, strict=True) if n > 1] or [("%i", 1)]
        self.lines += ["  " * (k + 1) + f"affine.for {iv} = 0 to {n} {{" for k, (iv, n) in enumerate(loops)]
        self.lines += ["  " * (len(loops) + 1) + line for line in body(ivs)]
        self.lines += ["  " * k + "}" for k in range(len(loops), 0, -1)]

    def copy(self, extents: Sequence[int], source: Value, load: Place, target: Value, store: Place) -> None:
        """``target[store(ivs)] = source[load(ivs)]``."""

        def body(ivs: list[str]) -> list[str]:
            return [
                f"%v = affine.load {source.name}[{', '.join(load(ivs))}] : {source.type}",
                f"affine.store %v, {target.name}[{', '.join(store(ivs))}] : {target.type}",
            ]

        self.nest(extents, body)

    def fill(self, target: Value) -> None:
        self.nest(target.shape, lambda ivs: [f"affine.store %c7, {target.name}[{', '.join(ivs)}] : {target.type}"])

    def permute(self, x: Value) -> Value:
        order = list(range(len(x.shape)))
        for k in range(len(order)):
            j = k + self.choose(len(order) - k)
            order[k], order[j] = order[j], order[k]
        out = self.alloc(np.transpose(x.data, order))
        if self.choose(2):
            self.copy(out.shape, x, lambda i: [i[order.index(d)] for d in range(len(order))], out, list)
        else:
            self.copy(x.shape, x, list, out, lambda i: [i[d] for d in order])
        return out

    def merge(self, x: Value) -> Value:
        """Two dimensions become one, written through the load or through the store."""
        if len(x.shape) < 2:
            return self.split(x)
        d = self.choose(len(x.shape) - 1)
        n = x.shape[d + 1]
        out = self.alloc(x.data.reshape(*x.shape[:d], x.shape[d] * n, *x.shape[d + 2 :]))
        if self.choose(2):
            self.copy(
                out.shape, x, lambda i: [*i[:d], f"{i[d]} floordiv {n}", f"{i[d]} mod {n}", *i[d + 1 :]], out, list
            )
        else:
            self.copy(x.shape, x, list, out, lambda i: [*i[:d], f"{i[d]} * {n} + {i[d + 1]}", *i[d + 2 :]])
        return out

    def split(self, x: Value) -> Value:
        """One dimension becomes two."""
        found = [(d, k) for d, n in enumerate(x.shape) for k in range(2, n) if n % k == 0]
        if not found:
            return self.flip(x)
        d, k = found[self.choose(len(found))]
        out = self.alloc(x.data.reshape(*x.shape[:d], x.shape[d] // k, k, *x.shape[d + 1 :]))
        if self.choose(2):
            self.copy(out.shape, x, lambda i: [*i[:d], f"{i[d]} * {k} + {i[d + 1]}", *i[d + 2 :]], out, list)
        else:
            self.copy(x.shape, x, list, out, lambda i: [*i[:d], f"{i[d]} floordiv {k}", f"{i[d]} mod {k}", *i[d + 1 :]])
        return out

    def slice(self, x: Value) -> Value:
        d = self.choose(len(x.shape))
        start, step = self.choose(x.shape[d]), 1 + self.choose(2)
        out = self.alloc(np.take(x.data, range(start, x.shape[d], step), d))
        self.copy(out.shape, x, lambda i: [*i[:d], f"{i[d]} * {step} + {start}", *i[d + 1 :]], out, list)
        return out

    def flip(self, x: Value) -> Value:
        d = self.choose(len(x.shape))
        n = x.shape[d]
        out = self.alloc(np.flip(x.data, d))
        self.copy(out.shape, x, lambda i: [*i[:d], f"{i[d]} * -1 + {n - 1}", *i[d + 1 :]], out, list)
        return out

    def roll(self, x: Value) -> Value:
        d = self.choose(len(x.shape))
        n, by = x.shape[d], self.choose(x.shape[d])
        return self.pieces(np.roll(x.data, -by, d), d, [(x, by, n - by), (x, 0, by)])

    def concat(self, x: Value) -> Value:
        d = self.choose(len(x.shape))
        others = [*x.shape[:d], *x.shape[d + 1 :]]
        fits = [v for v in self.values if len(v.shape) > d and [*v.shape[:d], *v.shape[d + 1 :]] == others]
        parts = [fits[self.choose(len(fits))] for _ in range(1 + self.choose(2))]
        parts.insert(self.choose(2), x)
        return self.pieces(np.concatenate([p.data for p in parts], d), d, [(p, 0, p.shape[d]) for p in parts])

    def chunk(self, x: Value) -> Value:
        """Halves, the other way round."""
        d = self.choose(len(x.shape))
        n, half = x.shape[d], x.shape[d] // 2
        data = np.concatenate([np.take(x.data, range(half, n), d), np.take(x.data, range(half), d)], d)
        first = self.pieces(np.take(x.data, range(half, n), d), d, [(x, half, n - half)])
        return self.pieces(data, d, [(first, 0, n - half), (x, 0, half)])

    def repeat(self, x: Value) -> Value:
        d, count = self.choose(len(x.shape)), 2 + self.choose(2)
        data = np.concatenate([x.data] * count, d)
        return self.pieces(data, d, [(x, 0, x.shape[d])] * count)

    def pieces(self, data: Array, d: int, parts: Sequence[tuple[Value, int, int]]) -> Value:
        """Along dimension d one part after another: a source, where it starts there, how many."""
        out, at = self.alloc(data), 0
        for source, start, count in parts:
            if count:
                extents = [*out.shape[:d], count, *out.shape[d + 1 :]]
                self.copy(
                    extents,
                    source,
                    lambda i, s=start: [*i[:d], f"{i[d]} + {s}", *i[d + 1 :]],
                    out,
                    lambda i, a=at: [*i[:d], f"{i[d]} + {a}", *i[d + 1 :]],
                )
            at += count
        return out

    def pad(self, x: Value) -> Value:
        d = self.choose(len(x.shape))
        low, high = self.choose(3), self.choose(3)
        widths = [(low, high) if k == d else (0, 0) for k in range(len(x.shape))]
        out = self.alloc(np.pad(x.data, widths, constant_values=7))
        self.fill(out)
        self.copy(x.shape, x, list, out, lambda i: [*i[:d], f"{i[d]} + {low}", *i[d + 1 :]])
        return out

    def mirror(self, x: Value) -> Value:
        """Reflection or replication at both ends."""
        d = self.choose(len(x.shape))
        n = x.shape[d]
        if n < 2:
            return self.broadcast(x)
        first, last = ((1, n - 2), (0, n - 1))[self.choose(2)]
        data = np.take(x.data, [first, *range(n), last], d)
        return self.pieces(data, d, [(x, first, 1), (x, 0, n), (x, last, 1)])

    def broadcast(self, x: Value) -> Value:
        d, n = self.choose(len(x.shape) + 1), 1 + self.choose(3)
        shape = [*x.shape[:d], n, *x.shape[d:]]
        out = self.alloc(np.broadcast_to(np.expand_dims(x.data, d), shape))
        self.copy(shape, x, lambda i: [*i[:d], *i[d + 1 :]], out, list)
        return out

    def interleave(self, x: Value) -> Value:
        d = self.choose(len(x.shape))
        y = self.values[-2] if self.choose(2) and len(self.values) > 1 and self.values[-2].shape == x.shape else x
        out = self.alloc(np.stack([x.data, y.data], d + 1).reshape(*x.shape[:d], -1, *x.shape[d + 1 :]))
        for k, source in enumerate((x, y)):
            self.copy(x.shape, source, list, out, lambda i, k=k: [*i[:d], f"{i[d]} * 2 + {k}", *i[d + 1 :]])
        return out

    def unfold(self, x: Value) -> Value:
        d = self.choose(len(x.shape))
        n = x.shape[d] - 1
        if n < 1:
            return self.broadcast(x)
        data = np.stack([np.take(x.data, range(k, k + n), d) for k in range(2)], d + 1)
        out = self.alloc(data)
        self.copy(data.shape, x, lambda i: [*i[:d], f"{i[d]} + {i[d + 1]}", *i[d + 2 :]], out, list)
        return out

    def compute(self, x: Value) -> Value:
        out = self.alloc(x.data * 3 + 7)

        def body(ivs: list[str]) -> list[str]:
            return [
                f"%v = affine.load {x.name}[{', '.join(ivs)}] : {x.type}",
                "%w = arith.muli %v, %c3 : i32",
                "%u = arith.addi %w, %c7 : i32",
                f"affine.store %u, {out.name}[{', '.join(ivs)}] : {out.type}",
            ]

        self.nest(x.shape, body)
        return out

    def reduce(self, x: Value) -> Value:
        """Sums along one dimension, from a constant or from elements of x."""
        d = self.choose(len(x.shape))
        start = np.take(x.data, 0, d)
        from_value = self.choose(2)
        out = self.alloc(np.asarray(np.sum(x.data, d, dtype=np.int32)) + (start if from_value else 7))
        if from_value:
            self.copy(out.shape, x, lambda i: [*i[:d], "0", *i[d:]], out, list)
        else:
            self.fill(out)

        def body(ivs: list[str]) -> list[str]:
            at = ", ".join([*ivs[:d], *ivs[d + 1 :]])
            return [
                f"%v = affine.load {x.name}[{', '.join(ivs)}] : {x.type}",
                f"%w = affine.load {out.name}[{at}] : {out.type}",
                "%u = arith.addi %v, %w : i32",
                f"affine.store %u, {out.name}[{at}] : {out.type}",
            ]

        self.nest(x.shape, body)
        return out


SHAPES = (
    Chain.permute, Chain.merge, Chain.split, Chain.slice, Chain.flip, Chain.roll, Chain.concat, Chain.chunk,
    Chain.repeat, Chain.pad, Chain.mirror, Chain.broadcast, Chain.interleave, Chain.unfold, Chain.compute,
    Chain.reduce,
)  # fmt: skip


@dataclass(frozen=True)
class Program:
    """``text`` computes ``output`` from ``inputs``."""

    text: str
    inputs: tuple[Array, ...]
    output: Array


def chain(choose: Choose) -> Program:
    """Five to ten copies of random shapes, sometimes with arithmetic in between."""
    shape = tuple(1 + choose(6) for _ in range(1 + choose(3)))
    x = Value("%x", np.arange(prod(shape), dtype=np.int32).reshape(shape) * 5 + 1)
    built = Chain(choose)
    current = x = built.compute(x) if choose(2) else x
    if x.name == "%x":
        built.values.append(x)
    for _ in range(5 + choose(6)):
        if current.data.ndim == 0:
            current = built.broadcast(current)
        larger = current.data.size > LARGEST // 3 or current.data.ndim > 4
        current = (Chain.slice if larger else SHAPES[choose(len(SHAPES))])(built, current)
        if choose(6) == 0 and built.values:
            current = built.values[choose(len(built.values))]
    return _program(built, Value("%x", np.arange(prod(shape), dtype=np.int32).reshape(shape) * 5 + 1), current)


def _program(built: Chain, x: Value, result: Value) -> Program:
    out = Value("%y", result.data)
    if built.choose(2):
        built.copy(out.shape, result, list, out, list)
    else:
        copied = built.compute(result)
        out = Value("%y", copied.data)
        built.copy(out.shape, copied, list, out, list)
    header = (
        f'func.func @main(%x: {x.type} {{polystage.kind = "input", polystage.name = "x"}}, '
        f'%y: {out.type} {{polystage.kind = "output", polystage.name = "output0"}}) {{'
    )
    constants = ["  %c3 = arith.constant 3 : i32", "  %c7 = arith.constant 7 : i32"]
    return Program("\n".join([header, *constants, *built.lines, "  return", "}"]), (x.data,), out.data)
