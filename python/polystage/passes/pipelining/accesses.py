"""What npu instructions touch, as boxes of array elements, and whether two of them conflict (``pipeline-dma``).

A box has one interval per index of its memref. What depends on loop variables stays symbolic, as the coefficients of
those variables, until the loop is *folded*: then the interval covers all its iterations. Distinct memrefs never share
bytes here: allocations have no address yet, and function arguments are arrays of their own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch_mlir import ir

from polystage.dialects import npu
from polystage.dialects.npu.linear import BoxRow, Row, box_rows, rows

_ANYTHING = 1 << 62

Terms = tuple[tuple[int, int], ...]
"""Loop variables with their coefficients, sorted by variable; no coefficient is zero."""


@dataclass(frozen=True)
class Copy:
    """``(sum of terms + const) mod modulus``: which copy of a buffer an iteration uses."""

    modulus: int
    terms: Terms
    const: int


@dataclass(frozen=True)
class Interval:
    """``low`` to ``high``, both included, shifted by ``terms``; ``copy``, where set, is its value to the point."""

    terms: Terms
    low: int
    high: int
    copy: Copy | None = None


@dataclass(frozen=True)
class Touched:
    """Elements of array ``memref`` that an instruction reads or writes; any of them where ``box`` is empty."""

    memref: int
    write: bool
    box: tuple[Interval, ...]


class Reader:
    """Reads accesses of instructions; numbers memrefs and loop variables, and knows what each variable takes."""

    def __init__(self) -> None:
        self._numbers: dict[ir.Value, int] = {}
        self._forms: dict[ir.Value, Interval] = {}
        self.ranges: dict[int, tuple[int, int]] = {}

    def number(self, value: ir.Value) -> int:
        """The number of a memref or an induction variable."""
        return self._numbers.setdefault(value, len(self._numbers))

    def loop(self, op: ir.Operation) -> int:
        """The number of the induction variable of ``op``, whose range is noted."""
        variable = self.number(op.regions[0].blocks[0].arguments[0])
        counts = counts_of(op)
        self.ranges[variable] = (counts[0], counts[-1]) if counts else (counts.start, counts.start)
        return variable

    def touched(self, op: ir.Operation) -> tuple[Touched, ...]:
        """What an instruction touches; loops around it must have been met by :meth:`loop`."""
        instruction = npu.decode(op)
        found: list[Touched] = []
        for written, positions in ((False, instruction.reads), (True, instruction.writes)):
            for position in positions:
                memref = instruction.memrefs[position]
                boxed = box_rows(instruction.maps[position], instruction.sizes)
                assert boxed is not None, "the verifier takes linear maps only"
                shape = ir.MemRefType(memref.type).shape
                box = tuple(self._interval(row, n, instruction.indices) for row, n in zip(boxed, shape, strict=True))
                found.append(Touched(self.number(memref), written, box))
        return tuple(found)

    def _interval(self, row: BoxRow, extent: int, indices: Sequence[ir.Value]) -> Interval:
        if row.indirect:
            return Interval((), 0, extent - 1)
        terms: dict[int, int] = {}
        low, high = row.low, row.high
        for position, factor in row.symbols:
            form = self._form(indices[position])
            if form.copy is not None and len(row.symbols) == 1 and factor == 1 and low == high == 0:
                return form
            low += min(factor * form.low, factor * form.high)
            high += max(factor * form.low, factor * form.high)
            for variable, coefficient in form.terms:
                terms[variable] = terms.get(variable, 0) + factor * coefficient
        return Interval(_sorted(terms), low, high)

    def _form(self, value: ir.Value) -> Interval:
        """An index value: a point (``low == high``) but for a copy number, which is an interval by itself."""
        if value not in self._forms:
            owner = value.owner
            if isinstance(owner, ir.Block):
                self._forms[value] = Interval(((self.number(value), 1),), 0, 0)
            else:
                self._forms[value] = self._applied(owner.operation)
        return self._forms[value]

    def _applied(self, op: ir.Operation) -> Interval:
        access = ir.AffineMapAttr(op.attributes["map"]).value
        expr = access.results[0]
        modulus = 0
        if isinstance(expr, ir.AffineModExpr) and isinstance(expr.rhs, ir.AffineConstantExpr):
            modulus, expr = expr.rhs.value, expr.lhs
        linear = rows(ir.AffineMap.get(access.n_dims, access.n_symbols, [expr], access.context))
        if linear is None:
            return Interval((), -_ANYTHING, _ANYTHING)
        form = self._sum(linear[0], list(op.operands))
        if not modulus:
            return form
        if not form.terms and form.low == form.high:
            return Interval((), form.low % modulus, form.low % modulus)
        return Interval((), 0, modulus - 1, Copy(modulus, form.terms, form.low) if form.low == form.high else None)

    def _sum(self, row: Row, operands: Sequence[ir.Value]) -> Interval:
        terms: dict[int, int] = {}
        low = high = row.const
        factors = [*enumerate(row.dims), *((len(row.dims) + k, factor) for k, factor in row.symbols)]
        for position, factor in factors:
            if factor:
                form = self._form(operands[position])
                low += min(factor * form.low, factor * form.high)
                high += max(factor * form.low, factor * form.high)
                for variable, coefficient in form.terms:
                    terms[variable] = terms.get(variable, 0) + factor * coefficient
        return Interval(_sorted(terms), low, high)

    def fold(self, touched: Iterable[Touched], variable: int) -> tuple[Touched, ...]:
        """What all iterations of a loop touch together."""
        span = self.ranges[variable]
        folded = (
            replace(each, box=tuple(_fold(interval, variable, span) for interval in each.box)) for each in touched
        )
        return tuple(dict.fromkeys(folded))

    def conflict(self, a: Touched, b: Touched) -> bool:
        """Whether ``a`` and ``b`` may touch a common element that one of them writes."""
        if a.memref != b.memref or not (a.write or b.write):
            return False
        if not a.box or not b.box:
            return True
        return not any(self._apart(x, y) for x, y in zip(a.box, b.box, strict=True))

    def conflicts(self, first: Sequence[Touched], second: Sequence[Touched]) -> bool:
        """Whether any access of ``first`` conflicts with one of ``second``."""
        return any(self.conflict(a, b) for a in first for b in second)

    def _apart(self, a: Interval, b: Interval) -> bool:
        """Whether two intervals of one index have no common point, in any iteration of the loops around."""
        if (
            a.copy is not None
            and b.copy is not None
            and (a.copy.modulus, a.copy.terms) == (b.copy.modulus, b.copy.terms)
        ):
            return (a.copy.const - b.copy.const) % a.copy.modulus != 0
        low, high = b.low - a.high, b.high - a.low
        if a.terms != b.terms:
            shift = dict(b.terms)
            for variable, factor in a.terms:
                shift[variable] = shift.get(variable, 0) - factor
            for variable, factor in shift.items():
                ends = [factor * end for end in self.ranges[variable]]
                low, high = low + min(ends), high + max(ends)
        return low > 0 or high < 0


def shifted(touched: Iterable[Touched], variable: int, distance: int) -> tuple[Touched, ...]:
    """The accesses as they are ``distance`` iterations of a loop later."""
    return tuple(
        replace(each, box=tuple(_shift(interval, variable, distance) for interval in each.box)) for each in touched
    )


def whole(touched: Iterable[Touched]) -> tuple[Touched, ...]:
    """The same arrays, any element of them."""
    return tuple(dict.fromkeys(replace(each, box=()) for each in touched))


def counts_of(loop: ir.Operation) -> range:
    """The values of the induction variable of an ``affine.for`` with constant bounds."""
    ends: list[int] = []
    for name in ("lowerBoundMap", "upperBoundMap"):
        (expr,) = ir.AffineMapAttr(loop.attributes[name]).value.results
        assert isinstance(expr, ir.AffineConstantExpr), "loops of an npu program have constant bounds"
        ends.append(expr.value)
    return range(ends[0], ends[1], ir.IntegerAttr(loop.attributes["step"]).value)


def walk(op: ir.Operation) -> Iterator[ir.Operation]:
    """``op`` and the operations inside of it, in textual order."""
    yield op
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield from walk(inner.operation)


def _sorted(terms: Mapping[int, int]) -> Terms:
    return tuple(sorted((variable, factor) for variable, factor in terms.items() if factor))


def _fold(interval: Interval, variable: int, span: tuple[int, int]) -> Interval:
    if interval.copy is not None:
        varies = any(name == variable for name, _ in interval.copy.terms)
        return replace(interval, copy=None) if varies else interval
    factor = dict(interval.terms).get(variable)
    if factor is None:
        return interval
    ends = [factor * end for end in span]
    rest = tuple(term for term in interval.terms if term[0] != variable)
    return Interval(rest, interval.low + min(ends), interval.high + max(ends))


def _shift(interval: Interval, variable: int, distance: int) -> Interval:
    if interval.copy is not None:
        factor = dict(interval.copy.terms).get(variable, 0)
        return replace(interval, copy=replace(interval.copy, const=interval.copy.const + factor * distance))
    step = dict(interval.terms).get(variable, 0) * distance
    return replace(interval, low=interval.low + step, high=interval.high + step) if step else interval
