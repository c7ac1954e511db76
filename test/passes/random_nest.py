"""One random nest: its indices and the expressions of its body."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from hypothesis import strategies as st
from random_program import EXACT, FLOATS, POINTS, Array, Builder, Tensor


@dataclass(frozen=True)
class Idx:
    """An index: its text, and its value at every point of the box (broadcast over loops that it does not use)."""

    text: str
    values: Array

    @property
    def high(self) -> int:
        return int(self.values.max())

    def __add__(self, other: "Idx | int") -> "Idx":
        if isinstance(other, int):
            return self if other == 0 else Idx(f"{self.text} + {other}", self.values + other)
        return Idx(f"{self.text} + {other.text}", self.values + other.values)

    def __mul__(self, factor: int) -> "Idx":
        return self if factor == 1 else Idx(f"{self.text} * {factor}", self.values * factor)


@dataclass(frozen=True)
class Value:
    """A scalar of a body: SSA name, type, greatest magnitude, whether every evaluation gives the same bits."""

    name: str
    type: str
    bound: float
    exact: bool = True


class Nest:
    """One nest being written."""

    def __init__(self, builder: Builder, extents: Sequence[int]) -> None:
        self.builder, self.extents = builder, tuple(extents)
        self.prefix = f"%n{builder.fresh()}"
        self.lines: list[str] = []
        self.indirect = False
        self.loaded: list[Value] = []
        rank = len(self.extents)
        self.loops = [
            Idx(f"{self.prefix}i{d}", np.arange(extent).reshape([-1 if k == d else 1 for k in range(rank)]))
            for d, extent in enumerate(self.extents)
        ]

    @property
    def all(self) -> list[int]:
        """Every loop."""
        return list(range(len(self.extents)))

    def op(self, text: str, type_: str, bound: float, exact: bool = True) -> Value:
        """One operation with a result."""
        name = f"{self.prefix}v{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return Value(name, type_, bound, exact)

    def load(self, tensor: Tensor, indices: Sequence[Idx]) -> Value:
        """An affine load."""
        tensor.consumed = True
        subscripts = ", ".join(index.text for index in indices)
        value = self.op(f"affine.load %{tensor.name}[{subscripts}] : {tensor.type}", tensor.element, tensor.bound)
        self.loaded.append(value)
        return value

    def store(self, value: Value, tensor: Tensor, indices: Sequence[Idx]) -> None:
        """The nest's store, and its end."""
        subscripts = ", ".join(index.text for index in indices)
        self.lines.append(f"affine.store {value.name}, %{tensor.name}[{subscripts}] : {tensor.type}")
        tensor.bound = max(tensor.bound, value.bound)
        self.builder.exact &= value.exact
        self.finish()

    def finish(self) -> None:
        """Add the nest to the program."""
        heads = [f"affine.for {loop.text} = 0 to {n} {{" for loop, n in zip(self.loops, self.extents, strict=True)]
        heads = heads or [f"affine.for {self.prefix}z = 0 to 1 {{"]
        ends = ["}"] * (len(heads) - 1) + ["} {polystage.indirect}" if self.indirect else "}"]
        self.builder.nests.append("\n".join(f"    {line}" for line in [*heads, *self.lines, *ends]))

    # indices

    def index(self, loops: Sequence[int]) -> Idx:
        """A random index over some of ``loops``, never negative."""
        if not loops:
            constant = self.builder.pick(0, 1, 2)
            return Idx(str(constant), np.asarray(constant))
        one, two = (self.loops[self.builder.pick(*loops)] for _ in range(2))
        k = self.builder.pick(2, 3, 4, 5)
        match self.builder.pick(*["plain"] * 4, "shift", "stride", "flip", "window", "join", "quasi"):
            case "shift":
                return one + k
            case "stride":
                return one * k + 1
            case "flip":
                return Idx(f"-{one.text} + {one.high}", one.high - one.values)
            case "window":
                return one * self.builder.pick(1, 2) + two
            case "join":
                return one * (two.high + 1) + two
            case "quasi":
                return self.quasi(one, two, k)
            case _:
                return one

    def quasi(self, one: Idx, two: Idx, k: int) -> Idx:
        """An index with a division: a roll, or the digits of a reshape."""
        joined = one * (two.high + 1) + two
        match self.builder.pick("roll", "div", "mod", "join div", "join mod"):
            case "roll":
                return Idx(f"({one.text} + {k}) mod {one.high + 1}", (one.values + k) % (one.high + 1))
            case "div":
                return Idx(f"{one.text} floordiv {k}", one.values // k)
            case "mod":
                return Idx(f"{one.text} mod {k}", one.values % k)
            case "join div":
                return Idx(f"({joined.text}) floordiv {k}", joined.values // k)
            case _:
                return Idx(f"({joined.text}) mod {k}", joined.values % k)

    def inside(self, shape: Sequence[int], loops: Sequence[int]) -> list[Idx]:
        """Random indices that stay inside ``shape``."""
        found: list[Idx] = []
        for extent in shape:
            index = self.index(loops)
            if index.high >= extent:
                fitting = [self.loops[d] for d in loops if self.extents[d] <= extent]
                index = self.builder.pick(*fitting) if fitting else Idx(str(extent - 1), np.asarray(extent - 1))
            found.append(index)
        return found

    def target(self, loops: Sequence[int]) -> list[Idx]:
        """Random indices that are different for all iterations of ``loops``."""
        order: list[int] = self.builder.draw(st.permutations(list(loops)))
        plain = [self.loops[d] for d in order]
        kind = self.builder.pick("plain", "plain", "changed", "free") if plain else "plain"
        if kind == "plain":
            return plain
        if kind == "changed":
            where = self.builder.pick(*range(len(order)))
            tried = [self.index([order[k]]) if k == where else index for k, index in enumerate(plain)]
        else:
            tried = [self.index(loops) for _ in range(self.builder.pick(*range(1, len(order) + 1)))]
        small = prod(index.high + 1 for index in tried) <= 4 * POINTS
        return tried if small and self.injective(tried, loops) else plain

    def injective(self, indices: Sequence[Idx], loops: Sequence[int]) -> bool:
        """Whether no two iterations of ``loops`` have the same indices."""
        box = [extent if d in loops else 1 for d, extent in enumerate(self.extents)]
        points = np.stack([np.broadcast_to(index.values, box).ravel() for index in indices])
        return np.unique(points, axis=1).shape[1] == prod(box)

    # expressions

    def operand(self, element: str, bound: float, loops: Sequence[int]) -> Value:
        """A load of an array of that element type: a known one, or a new argument."""
        known = [t for t in self.builder.tensors if t.element == element and t.bound <= bound]
        if known and self.builder.chance(2):
            tensor = self.builder.pick(*known)
            return self.load(tensor, self.inside(tensor.shape, loops))
        rank = self.builder.pick(0, 1, 1, 2, 2, 3) if loops else 0
        indices = [self.index(loops) for _ in range(rank)]
        if prod(index.high + 1 for index in indices) > 4 * POINTS:
            indices = [self.loops[d] for d in loops[:2]]
        shape = [index.high + 1 + self.builder.pick(0, 0, 1) for index in indices]
        return self.load(self.builder.input(shape, element, min(bound, self.builder.pick(2, 4, 8))), indices)

    def expression(self, type_: str, depth: int, bound: float, loops: Sequence[int], smooth: bool = False) -> Value:
        """A random expression within ``bound``; with ``smooth`` it may hold operations that round."""
        if depth <= 0 or self.builder.chance(6):
            return self.leaf(type_, bound, loops)
        match type_:
            case "i1":
                return self.predicate(depth - 1, loops)
            case "i32" | "i8":
                return self.integer(type_, depth - 1, bound, loops)
            case _:
                return self.floating(type_, depth - 1, bound, loops, smooth)

    def leaf(self, type_: str, bound: float, loops: Sequence[int]) -> Value:
        """A load, a constant, or an induction variable."""
        same = [value for value in self.loaded if value.type == type_ and value.bound <= bound]
        if same and self.builder.chance(4):
            return self.builder.pick(*same)
        if self.builder.chance(4):
            number = self.builder.pick(0, 1) if type_ == "i1" else self.builder.pick(-1, 0, 1, 1)
            return Value(self.builder.constant(type_, number), type_, 1)
        if type_ == "i32" and loops and self.builder.chance(3):
            loop = self.builder.pick(*loops)
            if 2 * self.extents[loop] <= bound:
                form = f"affine.apply affine_map<(d0) -> (d0 * 2 - 1)>({self.loops[loop].text})"
                index = self.op(form, "index", 0)
                return self.op(f"arith.index_cast {index.name} : index to i32", "i32", 2 * self.extents[loop])
        return self.operand(type_, bound, loops)

    def predicate(self, depth: int, loops: Sequence[int]) -> Value:
        """An i1 expression."""
        kind = self.builder.pick("f32", "f32", "bf16", "i32", "i8", "i1", "logic")
        type_ = "i1" if kind == "logic" else kind
        a, b = (self.expression(type_, depth, EXACT[type_], loops) for _ in range(2))
        match kind:
            case "f32" | "bf16":
                name = self.builder.pick("oeq", "ogt", "oge", "olt", "ole", "one", "ult", "ueq", "une", "uno", "ord")
                return self.op(f"arith.cmpf {name}, {a.name}, {b.name} : {type_}", "i1", 1)
            case "i32" | "i8" | "i1":
                name = self.builder.pick("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "uge")
                return self.op(f"arith.cmpi {name}, {a.name}, {b.name} : {type_}", "i1", 1)
            case _:
                return self.op(f"arith.{self.builder.pick('andi', 'ori', 'xori')} {a.name}, {b.name} : i1", "i1", 1)

    def integer(self, type_: str, depth: int, bound: float, loops: Sequence[int]) -> Value:
        """An i32 or i8 expression; where the bound is all that the type holds, it may wrap around."""
        match self.builder.pick("binary", "binary", "constant", "select", "fptosi", "extui", "absi", "width"):
            case "binary":
                a, b = (self.expression(type_, depth, bound, loops) for _ in range(2))
                wide = ["andi", "ori", "xori", "maxui"] if bound >= EXACT[type_] else []
                name = self.builder.pick("addi", "subi", "muli", "maxsi", "minsi", *wide)
                name = name if grown(name, a, b) <= bound or wide else "maxsi"
                text = f"arith.{name} {a.name}, {b.name} : {type_}"
                return self.op(text, type_, min(grown(name, a, b), EXACT[type_] + 1))
            case "constant":
                a = self.expression(type_, depth, bound, loops)
                name = self.builder.pick("divsi", "remsi", "floordivsi", "ceildivsi", "shrsi")
                text = f"arith.{name} {a.name}, {self.builder.constant(type_, 3)} : {type_}"
                return self.op(text, type_, max(a.bound, 3))
            case "select":
                return self.select(type_, depth, bound, loops)
            case "fptosi":
                a = self.expression("f32", depth, min(bound, EXACT["f32"], EXACT[type_]), loops)
                return self.op(f"arith.fptosi {a.name} : f32 to {type_}", type_, a.bound)
            case "extui":
                a = self.expression("i1", depth, 1, loops)
                return self.op(f"arith.extui {a.name} : i1 to {type_}", type_, 1)
            case "width":
                source, name = ("i8", "extsi") if type_ == "i32" else ("i32", "trunci")
                a = self.expression(source, depth, min(bound, EXACT[source]), loops)
                return self.op(f"arith.{name} {a.name} : {source} to {type_}", type_, a.bound)
            case _:
                a = self.expression(type_, depth, bound, loops)
                return self.op(f"math.absi {a.name} : {type_}", type_, a.bound)

    def floating(self, type_: str, depth: int, bound: float, loops: Sequence[int], smooth: bool) -> Value:
        """A float expression."""
        match self.builder.pick(
            "binary", "binary", "binary", "unary", "select", "cast", "cast", *["smooth"] * 2 * smooth
        ):
            case "binary":
                a, b = (self.expression(type_, depth, bound, loops, smooth) for _ in range(2))
                name = self.builder.pick("addf", "subf", "mulf", "mulf", "maximumf", "minimumf", "maxnumf", "minnumf")
                name = name if grown(name, a, b) <= bound else "maximumf"
                text = f"arith.{name} {a.name}, {b.name} : {type_}"
                return self.op(text, type_, grown(name, a, b), a.exact and b.exact)
            case "unary":
                a = self.expression(type_, depth, bound, loops, smooth)
                return self.op(
                    f"{self.builder.pick('arith.negf', 'math.absf')} {a.name} : {type_}", type_, a.bound, a.exact
                )
            case "select":
                return self.select(type_, depth, bound, loops)
            case "smooth" if self.builder.chance(2):
                a = self.expression(type_, depth, min(bound, 30), loops, True)
                b = self.op(f"math.absf {self.expression(type_, depth, 30, loops, True).name} : {type_}", type_, 30)
                b = self.op(f"arith.addf {b.name}, {self.builder.constant(type_, 1)} : {type_}", type_, 31)
                return self.op(f"arith.divf {a.name}, {b.name} : {type_}", type_, a.bound, False)
            case "smooth":
                a = self.expression(type_, depth, min(bound, 30), loops, True)
                name = self.builder.pick("tanh", "sin", "cos", "erf", "atan")
                return self.op(f"math.{name} {a.name} : {type_}", type_, max(1, a.bound), False)
            case _:
                return self.cast(type_, depth, bound, loops, smooth)

    def cast(self, type_: str, depth: int, bound: float, loops: Sequence[int], smooth: bool) -> Value:
        """A value of another type, converted."""
        source = self.builder.pick("i32", "i8", "i1", *(("bf16", "f16") if type_ == "f32" else ("f32",)))
        limit = min(bound, EXACT[source], EXACT[type_])
        rounding = smooth and source in FLOATS
        a = self.expression(source, depth, limit, loops, rounding)
        name = {"i1": "uitofp", "f32": "truncf"}.get(source, "extf" if source in FLOATS else "sitofp")
        return self.op(f"arith.{name} {a.name} : {source} to {type_}", type_, a.bound, a.exact)

    def select(self, type_: str, depth: int, bound: float, loops: Sequence[int]) -> Value:
        """A choice between two values."""
        condition = self.expression("i1", depth, 1, loops)
        a, b = (self.expression(type_, depth, bound, loops) for _ in range(2))
        text = f"arith.select {condition.name}, {a.name}, {b.name} : {type_}"
        return self.op(text, type_, max(a.bound, b.bound))


def grown(name: str, a: Value, b: Value) -> float:
    """Greatest magnitude of a binary operation's result."""
    match name:
        case "addf" | "addi" | "subf" | "subi":
            return a.bound + b.bound
        case "mulf" | "muli":
            return a.bound * b.bound
        case "andi" | "ori" | "xori" | "maxui":
            return max(EXACT[a.type], EXACT[b.type])
        case _:
            return max(a.bound, b.bound)
