"""Types of the part of `torch_mlir.dialects.memref` that a compiler needs."""

from collections.abc import Sequence

from torch_mlir.ir import (
    Attribute,
    BoolAttr,
    DenseI64ArrayAttr,
    FlatSymbolRefAttr,
    IndexType,
    InsertionPoint,
    IntegerAttr,
    Location,
    MemRefType,
    OpOperandList,
    OpResult,
    OpView,
    StringAttr,
    Type,
    TypeAttr,
    Value,
)

class CopyOp(OpView):
    @property
    def source(self) -> Value: ...
    @property
    def target(self) -> Value: ...

class LoadOp(OpView):
    @property
    def memref(self) -> Value: ...
    @property
    def indices(self) -> OpOperandList[IndexType]: ...
    @property
    def nontemporal(self) -> BoolAttr | None: ...
    @property
    def alignment(self) -> IntegerAttr | None: ...
    @property
    def invariant(self) -> BoolAttr | None: ...
    @property
    def result(self) -> OpResult: ...

class AllocOp(OpView):
    @property
    def dynamicSizes(self) -> OpOperandList[IndexType]: ...
    @property
    def symbolOperands(self) -> OpOperandList[IndexType]: ...
    @property
    def alignment(self) -> IntegerAttr | None: ...
    @property
    def memref(self) -> OpResult[MemRefType]: ...

class DeallocOp(OpView):
    @property
    def memref(self) -> Value: ...

class GetGlobalOp(OpView):
    @property
    def result(self) -> OpResult[MemRefType]: ...

class GlobalOp(OpView):
    @property
    def sym_name(self) -> StringAttr: ...
    @property
    def sym_visibility(self) -> StringAttr | None: ...
    @property
    def type_(self) -> TypeAttr: ...
    @property
    def initial_value(self) -> Attribute | None: ...
    @property
    def constant(self) -> bool: ...
    @property
    def alignment(self) -> IntegerAttr | None: ...

class StoreOp(OpView):
    @property
    def value(self) -> Value: ...
    @property
    def memref(self) -> Value: ...
    @property
    def indices(self) -> OpOperandList[IndexType]: ...
    @property
    def nontemporal(self) -> BoolAttr | None: ...
    @property
    def alignment(self) -> IntegerAttr | None: ...

class SubViewOp(OpView):
    @property
    def source(self) -> Value: ...
    @property
    def offsets(self) -> OpOperandList[IndexType]: ...
    @property
    def sizes(self) -> OpOperandList[IndexType]: ...
    @property
    def strides(self) -> OpOperandList[IndexType]: ...
    @property
    def static_offsets(self) -> DenseI64ArrayAttr: ...
    @property
    def static_sizes(self) -> DenseI64ArrayAttr: ...
    @property
    def static_strides(self) -> DenseI64ArrayAttr: ...
    @property
    def result(self) -> OpResult[MemRefType]: ...

def copy(source: Value, target: Value, *, loc: Location | None = None, ip: InsertionPoint | None = None) -> CopyOp: ...
def load(
    memref: Value,
    indices: Sequence[Value],
    *,
    nontemporal: bool | BoolAttr | None = None,
    alignment: int | IntegerAttr | None = None,
    invariant: bool | BoolAttr | None = None,
    results: Sequence[Type] | None = None,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> OpResult: ...
def alloc(
    memref: Type,
    dynamic_sizes: Sequence[Value],
    symbol_operands: Sequence[Value],
    *,
    alignment: int | IntegerAttr | None = None,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> OpResult[MemRefType]: ...
def dealloc(memref: Value, *, loc: Location | None = None, ip: InsertionPoint | None = None) -> DeallocOp: ...
def get_global(
    result: Type, name: str | FlatSymbolRefAttr, *, loc: Location | None = None, ip: InsertionPoint | None = None
) -> OpResult[MemRefType]: ...
def global_(
    sym_name: str | StringAttr,
    type_: Type | TypeAttr,
    *,
    sym_visibility: str | StringAttr | None = None,
    initial_value: Attribute | None = None,
    constant: bool | None = None,
    alignment: int | IntegerAttr | None = None,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> GlobalOp: ...
def store(
    value: Value,
    memref: Value,
    indices: Sequence[Value],
    *,
    nontemporal: bool | BoolAttr | None = None,
    alignment: int | IntegerAttr | None = None,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> StoreOp: ...
def subview(
    source: Value,
    offsets: Sequence[int | Value],
    sizes: Sequence[int | Value],
    strides: Sequence[int | Value],
    *,
    result_type: MemRefType | None = None,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> OpResult[MemRefType]: ...
