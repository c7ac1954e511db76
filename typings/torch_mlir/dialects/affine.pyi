"""Types of the part of `torch_mlir.dialects.affine` that a compiler needs."""

from collections.abc import Iterator, Sequence

from torch_mlir.ir import (
    AffineMap,
    AffineMapAttr,
    Block,
    BlockArgument,
    IndexType,
    InsertionPoint,
    IntegerAttr,
    IntegerSet,
    Location,
    OpOperandList,
    OpResult,
    OpView,
    Type,
    Value,
)

class AffineForOp(OpView):
    def __init__(
        self,
        lower_bound: int | Value | AffineMap,
        upper_bound: int | Value | AffineMap,
        step: int | None = None,
        iter_args: Sequence[Value] | None = None,
        *,
        lower_bound_operands: Sequence[Value] | None = None,
        upper_bound_operands: Sequence[Value] | None = None,
        loc: Location | None = None,
        ip: InsertionPoint | None = None,
    ) -> None: ...
    @property
    def body(self) -> Block: ...
    @property
    def induction_variable(self) -> BlockArgument[IndexType]: ...
    @property
    def inner_iter_args(self) -> Sequence[BlockArgument]: ...
    @property
    def lowerBoundMap(self) -> AffineMapAttr: ...
    @property
    def upperBoundMap(self) -> AffineMapAttr: ...
    @property
    def step(self) -> IntegerAttr: ...

class AffineIfOp(OpView):
    def __init__(
        self,
        cond: IntegerSet,
        results_: Sequence[Type] | None = None,
        *,
        cond_operands: Sequence[Value] | None = None,
        has_else: bool = False,
        loc: Location | None = None,
        ip: InsertionPoint | None = None,
    ) -> None: ...
    @property
    def then_block(self) -> Block: ...
    @property
    def else_block(self) -> Block | None: ...

class AffineApplyOp(OpView):
    @property
    def mapOperands(self) -> OpOperandList[IndexType]: ...
    @property
    def map(self) -> AffineMapAttr: ...

class AffineLoadOp(OpView):
    @property
    def memref(self) -> Value: ...
    @property
    def indices(self) -> OpOperandList[IndexType]: ...
    @property
    def map(self) -> AffineMapAttr: ...
    @property
    def result(self) -> OpResult: ...

class AffineStoreOp(OpView):
    @property
    def value(self) -> Value: ...
    @property
    def memref(self) -> Value: ...
    @property
    def indices(self) -> OpOperandList[IndexType]: ...
    @property
    def map(self) -> AffineMapAttr: ...

class AffineYieldOp(OpView):
    @property
    def operands_(self) -> OpOperandList: ...

def apply(
    map: AffineMap | AffineMapAttr,
    map_operands: Sequence[Value],
    *,
    results: Sequence[Type] | None = None,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> OpResult[IndexType]: ...
def load(
    result: Type,
    memref: Value,
    indices: Sequence[Value],
    map: AffineMap | AffineMapAttr,
    *,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> OpResult: ...
def store(
    value: Value,
    memref: Value,
    indices: Sequence[Value],
    map: AffineMap | AffineMapAttr,
    *,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> AffineStoreOp: ...
def yield_(
    operands_: Sequence[Value], *, loc: Location | None = None, ip: InsertionPoint | None = None
) -> AffineYieldOp: ...
def for_(
    start: int | Value | AffineMap,
    stop: int | Value | AffineMap,
    step: int | None = None,
    *,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> Iterator[BlockArgument[IndexType]]: ...
