"""The clauses of the affine normal form about one nest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from polystage.passes.nests.bounds import out_of_bounds

Breach = tuple[ir.Operation, str]

STORES = frozenset(("affine.store", "memref.store"))
LOADS = frozenset(("affine.load", "memref.load"))
FROM_SIGNED = frozenset(("arith.extsi", "arith.sitofp"))


@dataclass
class NestForm:
    """The check of one nest; afterwards ``stored`` is the array it stores to, ``loaded`` those it loads from."""

    op: ir.Operation
    ivs: list[ir.Value] = field(default_factory=list)
    extents: list[int] = field(default_factory=list)
    stored: ir.Value | None = None
    loaded: list[ir.Value] = field(default_factory=list)

    def check(self) -> Iterator[Breach]:
        """The breaches of this nest."""
        loop, body = self.op, list[ir.Operation]()
        while True:
            yield from self._loop(loop)
            body = [view.operation for view in loop.regions[0].blocks[0].operations][:-1]
            if len(body) != 1 or body[0].name != "affine.for":
                break
            loop = body[0]
        if len(self.extents) > 1 and 1 in self.extents:
            yield self.op, "a loop of one trip must be promoted"
        yield from self._body(body)

    def _loop(self, loop: ir.Operation) -> Iterator[Breach]:
        lower, upper = (ir.AffineMapAttr(loop.attributes[key]).value for key in ("lowerBoundMap", "upperBoundMap"))
        bounds = [*lower.results, *upper.results]
        constants = [bound.value for bound in bounds if isinstance(bound, ir.AffineConstantExpr)]
        if len(constants) != 2 or len(bounds) != 2 or len(loop.operands):
            yield loop, "loop bounds must be constants"
            constants = [0, 2]
        elif constants[0] != 0 or ir.IntegerAttr(loop.attributes["step"]).value != 1:
            yield loop, "a loop must run from 0 with step 1"
        elif constants[1] < 1:
            yield loop, "a loop must have at least one trip"
        if len(loop.results):
            yield loop, "a loop must not carry values"
        self.ivs.append(loop.regions[0].blocks[0].arguments[0])
        self.extents.append(max(1, constants[-1]))

    def _body(self, body: Sequence[ir.Operation]) -> Iterator[Breach]:
        if any(op.name == "affine.for" for op in body):
            yield self.op, "the nest is not perfect"
            return
        stores = [op for op in body if op.name in STORES]
        if len(stores) != 1 or body[-1].name not in STORES:
            yield self.op, f"the body of a nest has one store, at its end; this one has {len(stores)} stores"
            return
        for op in body:
            yield from self._operation(op)
        data = any(op.name in LOADS | STORES and not op.name.startswith("affine.") for op in body)
        if data != ("polystage.indirect" in self.op.attributes):
            yield self.op, "a nest carries polystage.indirect exactly if it has a memref.load or memref.store"

    def _operation(self, op: ir.Operation) -> Iterator[Breach]:
        if op.name not in STORES and not any(True for _ in op.results[0].uses):
            yield op, "the result is never used"
        if op.name in LOADS or op.name in STORES:
            yield from self._access(op)
        elif op.name == "affine.apply":
            yield from self._map_operands(op, list(op.operands))
        elif op.name == "arith.index_cast":
            yield from self._cast(op)
        else:
            yield from self._scalar(op)

    def _access(self, op: ir.Operation) -> Iterator[Breach]:
        operands = list(op.operands)
        at = 1 if op.name in STORES else 0
        array, indices = operands[at], operands[at + 1 :]
        if op.name in STORES:
            self.stored = array
        else:
            self.loaded.append(array)
        if op.name.startswith("affine."):
            yield from self._map_operands(op, indices)
            yield from self._bounds(op, array, indices)
        else:
            yield from self._data_indices(op, indices)

    def _map_operands(self, op: ir.Operation, operands: Sequence[ir.Value]) -> Iterator[Breach]:
        if ir.AffineMapAttr(op.attributes["map"]).value.n_symbols:
            yield op, "a map must have no symbols"
        if any(value not in self.ivs for value in operands):
            yield op, "a map must be of induction variables of the nest"

    def _bounds(self, op: ir.Operation, array: ir.Value, indices: Sequence[ir.Value]) -> Iterator[Breach]:
        access = ir.AffineMapAttr(op.attributes["map"]).value
        if access.n_symbols or any(value not in self.ivs for value in indices):
            return
        extents = [self.extents[self.ivs.index(value)] for value in indices]
        problem = out_of_bounds(access, extents, ir.MemRefType(array.type).shape)
        if problem is not None:
            yield op, problem

    def _data_indices(self, op: ir.Operation, indices: Sequence[ir.Value]) -> Iterator[Breach]:
        makers = [None if isinstance(v.owner, ir.Block) else v.owner.operation.name for v in indices]
        if any(name not in ("arith.index_cast", "affine.apply", "arith.constant") for name in makers):
            yield op, "an index must come from arith.index_cast, affine.apply or a constant"
        elif "arith.index_cast" not in makers:
            yield op, "all indices are affine; the access must be an affine one"

    def _cast(self, op: ir.Operation) -> Iterator[Breach]:
        source = op.operands[0]
        if isinstance(source.type, ir.IndexType):
            if isinstance(source.owner, ir.Block) or source.owner.operation.name != "affine.apply":
                yield op, "an induction variable becomes a number through affine.apply and arith.index_cast"
        elif any(use.owner.operation.name not in ("memref.load", "memref.store") for use in op.results[0].uses):
            yield op, "a number becomes an index only for memref.load and memref.store"

    def _scalar(self, op: ir.Operation) -> Iterator[Breach]:
        dialect = op.name.partition(".")[0]
        if dialect not in ("arith", "math") or len(op.results) != 1 or len(op.regions):
            yield op, f"'{op.name}' does not belong in the body of a nest"
            return
        if op.name == "arith.constant":
            yield op, "scalar constants belong at the top of the function"
        types = [op.results[0].type, *(operand.type for operand in op.operands)]
        wrong = next((type_ for type_ in types if not is_element(type_)), None)
        if wrong is not None:
            yield op, f"scalars of type {wrong} do not occur in the normal form"
        if op.name in FROM_SIGNED and types[1] == ir.IntegerType.get_signless(1, op.context):
            yield op, "i1 is unsigned; use arith.extui or arith.uitofp"


def is_element(type_: ir.Type) -> bool:
    """Whether arrays and scalars may have this type."""
    if isinstance(type_, ir.IntegerType):
        return type_.is_signless and type_.width in (1, 8, 32)
    return isinstance(type_, (ir.F16Type, ir.BF16Type, ir.F32Type))
