"""Affine maps as coefficients, and the values that index operands take over the loops around an instruction."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from torch_mlir import ir

from polystage.dialects.npu.memo import memoised


class Row(NamedTuple):
    """One result of a linear map: ``sum dims[i] * d_i + sum symbols[j] * s_j + const``; ``symbols`` holds non-zeros."""

    dims: tuple[int, ...]
    symbols: tuple[tuple[int, int], ...]
    const: int


class BoxRow(NamedTuple):
    """A row over a box, where it runs from ``low`` to ``high`` but for its symbols.

    ``dims`` is zero for dimensions of one point. ``indirect`` rows also depend on dimensions that are not of the box.
    """

    dims: tuple[int, ...]
    symbols: tuple[tuple[int, int], ...]
    const: int
    low: int
    high: int
    indirect: bool


class Loop(NamedTuple):
    """The values of an induction variable: ``first``, ``first + step``, ..., ``trips`` of them."""

    first: int
    step: int
    trips: int


class Sum(NamedTuple):
    """``const`` plus induction variables times coefficients, each variable with its loop."""

    const: int
    terms: tuple[tuple[Loop, int], ...]

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest value over all iterations."""
        low = high = self.const
        for loop, factor in self.terms:
            ends = (factor * loop.first, factor * (loop.first + loop.step * (loop.trips - 1)))
            low, high = low + min(ends), high + max(ends)
        return low, high

    def residues(self, modulus: int) -> "Sum":
        """The same values modulo ``modulus``, without the variables that do not matter."""
        const = self.const + sum(factor * loop.first for loop, factor in self.terms)
        steps = ((Loop(0, 1, loop.trips), factor * loop.step % modulus) for loop, factor in self.terms)
        return Sum(const % modulus, tuple((loop, factor) for loop, factor in steps if factor and loop.trips > 1))

    def values(self, most: int) -> Iterator[int] | None:
        """Every value over all iterations, or None when there are more than ``most`` iterations."""
        count = 1
        for loop, _ in self.terms:
            count *= loop.trips
        if count > most:
            return None
        axes = [[factor * (loop.first + loop.step * k) for k in range(loop.trips)] for loop, factor in self.terms]
        return (self.const + sum(point) for point in product(*axes))


@memoised
def rows(affine_map: ir.AffineMap) -> tuple[Row, ...] | None:
    """The results of ``affine_map`` as coefficients; None when one of them is not linear."""
    result: list[Row] = []
    for expr in affine_map.results:
        coefficients: dict[tuple[str, int], int] = {}
        if not _accumulate(expr, 1, coefficients):
            return None
        dims = tuple(coefficients.get(("d", i), 0) for i in range(affine_map.n_dims))
        found = ((i, coefficients.get(("s", i), 0)) for i in range(affine_map.n_symbols))
        result.append(Row(dims, tuple(pair for pair in found if pair[1]), coefficients.get(("", 0), 0)))
    return tuple(result)


@memoised
def box_rows(affine_map: ir.AffineMap, sizes: tuple[int, ...]) -> tuple[BoxRow, ...] | None:
    """The results of ``affine_map`` over the box; None when one of them is not linear."""
    found = rows(affine_map)
    return None if found is None else tuple(_over_box(row, sizes) for row in found)


def _over_box(row: Row, sizes: tuple[int, ...]) -> BoxRow:
    reach = [factor * (size - 1) for factor, size in zip(row.dims, sizes, strict=False)]
    low = row.const + sum(each for each in reach if each < 0)
    high = row.const + sum(each for each in reach if each > 0)
    beyond = row.dims[len(sizes) :]
    dims = (*(factor if size > 1 else 0 for factor, size in zip(row.dims, sizes, strict=False)), *beyond)
    return BoxRow(dims, row.symbols, row.const, low, high, any(beyond))


def _accumulate(expr: ir.AffineExpr, factor: int, into: dict[tuple[str, int], int]) -> bool:
    """Add ``factor * expr`` to ``into``; False when ``expr`` is not linear."""
    match expr:
        case ir.AffineConstantExpr():
            key, factor = ("", 0), factor * expr.value
        case ir.AffineDimExpr():
            key = ("d", expr.position)
        case ir.AffineSymbolExpr():
            key = ("s", expr.position)
        case ir.AffineAddExpr():
            return _accumulate(expr.lhs, factor, into) and _accumulate(expr.rhs, factor, into)
        case ir.AffineMulExpr():
            variable, constant = expr.lhs, expr.rhs  # MLIR keeps the constant on the right
            if not isinstance(constant, ir.AffineConstantExpr):
                return False
            return _accumulate(variable, factor * constant.value, into)
        case _:
            return False
    into[key] = into.get(key, 0) + factor
    return True


class Indices:
    """What the index operands of one instruction stand for, each resolved when it is first asked for."""

    def __init__(self, values: Sequence[ir.Value]) -> None:
        self._values = values
        self._resolved: dict[int, Mapping[ir.Value | None, int] | None] = {}
        self._loops: dict[ir.Value, Loop] = {}
        self._ranges: dict[tuple[tuple[int, int], ...], tuple[int, int] | None] = {}

    def __len__(self) -> int:
        return len(self._values)

    def total(self, const: int, symbols: Sequence[tuple[int, int]]) -> Sum | None:
        """``const`` plus index operands times coefficients; None where one is no linear form of constant loops."""
        if not symbols:
            return Sum(const, ())
        factors: dict[ir.Value, int] = {}
        for number, factor in symbols:
            form = self._form(number)
            if form is None:
                return None
            for variable, coefficient in form.items():
                if variable is None:
                    const += factor * coefficient
                else:
                    factors[variable] = factors.get(variable, 0) + factor * coefficient
        return Sum(const, tuple((self._loops[variable], factor) for variable, factor in factors.items() if factor))

    def range(self, symbols: tuple[tuple[int, int], ...]) -> tuple[int, int] | None:
        """Least and greatest value of index operands times coefficients; None where that is not known."""
        if symbols not in self._ranges:
            total = self.total(0, symbols)
            self._ranges[symbols] = None if total is None else total.range
        return self._ranges[symbols]

    def _form(self, number: int) -> Mapping[ir.Value | None, int] | None:
        if number not in self._resolved:
            self._resolved[number] = self._resolve(self._values[number])
        return self._resolved[number]

    def _resolve(self, value: ir.Value) -> Mapping[ir.Value | None, int] | None:
        """Coefficients by induction variable, the constant under None."""
        owner = value.owner
        if isinstance(owner, ir.Block):
            loop = _constant_loop(owner.owner.operation)
            if loop is None:
                return None
            self._loops[value] = loop
            return {value: 1}
        return self._apply(owner.operation) if owner.name == "affine.apply" else None

    def _apply(self, operation: ir.Operation) -> Mapping[ir.Value | None, int] | None:
        access = ir.AffineMapAttr(operation.attributes["map"]).value
        form = rows(access)
        if form is None:
            return None
        row, operands = form[0], tuple(operation.operands)
        total: dict[ir.Value | None, int] = {None: row.const}
        shifted = ((position + access.n_dims, factor) for position, factor in row.symbols)
        for position, factor in (*enumerate(row.dims), *shifted):
            if not factor:
                continue
            inner = self._resolve(operands[position])
            if inner is None:
                return None
            for variable, coefficient in inner.items():
                total[variable] = total.get(variable, 0) + factor * coefficient
        return total


def _constant_loop(operation: ir.Operation) -> Loop | None:
    """The values of the induction variable of an ``affine.for`` with constant bounds that runs at least once."""
    attributes = operation.attributes
    if operation.name != "affine.for" or "lowerBoundMap" not in attributes:
        return None
    lower = _constant(ir.AffineMapAttr(attributes["lowerBoundMap"]).value)
    upper = _constant(ir.AffineMapAttr(attributes["upperBoundMap"]).value)
    step = ir.IntegerAttr(attributes["step"]).value
    if lower is None or upper is None or upper <= lower or step < 1:
        return None
    return Loop(lower, step, -(-(upper - lower) // step))


@memoised
def _constant(affine_map: ir.AffineMap) -> int | None:
    """The value of a map with one constant result; None for any other."""
    results = affine_map.results
    if len(results) == 1 and isinstance(first := results[0], ir.AffineConstantExpr):
        return first.value
    return None
