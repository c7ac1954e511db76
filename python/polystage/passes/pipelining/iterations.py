"""Iterations of a loop written elsewhere: a copy of its body with the induction variable replaced."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from polystage.dialects import affine
from polystage.passes.pipelining.accesses import walk


@dataclass(frozen=True)
class Place:
    """An iteration: ``offset`` behind that of ``counter``, or ``offset`` itself where there is none."""

    counter: ir.Value | None
    offset: int

    def later(self, distance: int) -> "Place":
        """``distance`` iterations later."""
        return Place(self.counter, self.offset + distance)


@dataclass(frozen=True)
class Values:
    """What values of the old loop body are in an iteration of the new one; made where they are first asked for.

    ``constants`` is shared by the iterations outside of the new loop.
    """

    counter: ir.Value
    place: Place
    constants: dict[int, ir.Value]
    known: dict[ir.Value, ir.Value] = field(default_factory=dict[ir.Value, ir.Value])

    def of(self, value: ir.Value) -> ir.Value:
        """``value`` itself where it does not depend on the iteration."""
        if value in self.known:
            return self.known[value]
        owner = value.owner
        if value == self.counter:
            self.known[value] = self.index(ir.AffineExpr.get_dim(0), [value])
        elif not isinstance(owner, ir.Block) and self.is_index(owner.operation):
            access, operands = ir.AffineMapAttr(owner.operation.attributes["map"]).value, list(owner.operation.operands)
            dims = [ir.AffineExpr.get_dim(k) for k in range(len(operands))]
            expr = _substitute(access.results[0], dims[: access.n_dims], dims[access.n_dims :])
            self.known[value] = self.index(expr, operands)
        return self.known.get(value, value)

    def is_index(self, op: ir.Operation) -> bool:
        """Whether ``op`` computes an index in the old loop body itself."""
        return op.name == "affine.apply" and op.block == self.counter.owner

    def index(self, expr: ir.AffineExpr, operands: Sequence[ir.Value]) -> ir.Value:
        """``expr`` over values of the old body, as one value here."""
        dims: list[ir.AffineExpr] = []
        values: list[ir.Value] = []
        for operand in operands:
            if operand == self.counter and self.place.counter is None:
                dims.append(ir.AffineExpr.get_constant(self.place.offset))
                continue
            dim: ir.AffineExpr = ir.AffineExpr.get_dim(len(values))
            if operand == self.counter:
                assert self.place.counter is not None
                dims.append(dim + self.place.offset)
                values.append(self.place.counter)
            else:
                dims.append(dim)
                values.append(self.of(operand))
        expr = _substitute(expr, dims, ())
        if len(values) == 1 and expr == ir.AffineExpr.get_dim(0):
            return values[0]
        if isinstance(expr, ir.AffineConstantExpr) and self.place.counter is None:
            if expr.value not in self.constants:
                self.constants[expr.value] = affine.apply(ir.AffineMap.get(0, 0, [expr]), [])
            return self.constants[expr.value]
        return affine.apply(ir.AffineMap.get(len(values), 0, [expr]), values)

    def copy(self, op: ir.Operation) -> ir.Operation:
        """``op`` with all its operands replaced, at the insertion point."""
        for inner in walk(op):
            for operand in inner.operands:
                self.of(operand)  # before the copy, not behind it
        made = op.clone()
        for inner in walk(made.operation):
            for number, operand in enumerate(inner.operands):
                replaced = self.known.get(operand)
                if replaced is not None:
                    inner.operands[number] = replaced
        self.known.update(zip(op.results, made.operation.results, strict=True))
        return made.operation


def _substitute(expr: ir.AffineExpr, dims: Sequence[ir.AffineExpr], symbols: Sequence[ir.AffineExpr]) -> ir.AffineExpr:
    """``expr`` with its variables replaced, constants folded."""
    match expr:
        case ir.AffineDimExpr():
            return dims[expr.position]
        case ir.AffineSymbolExpr():
            return symbols[expr.position]
        case ir.AffineBinaryExpr():
            combine = _COMBINE[type(expr)]
            return combine(_substitute(expr.lhs, dims, symbols), _substitute(expr.rhs, dims, symbols))
        case _:
            return expr


_COMBINE: Mapping[type[ir.AffineBinaryExpr], Callable[[ir.AffineExpr, ir.AffineExpr], ir.AffineExpr]] = {
    ir.AffineAddExpr: ir.AffineExpr.get_add,
    ir.AffineMulExpr: ir.AffineExpr.get_mul,
    ir.AffineModExpr: ir.AffineExpr.get_mod,
    ir.AffineFloorDivExpr: ir.AffineExpr.get_floor_div,
    ir.AffineCeilDivExpr: ir.AffineExpr.get_ceil_div,
}
