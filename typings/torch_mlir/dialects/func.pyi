"""Types of the part of `torch_mlir.dialects.func` that a compiler needs."""

from collections.abc import Callable, Sequence

from torch_mlir.ir import (
    ArrayAttr,
    Attribute,
    Block,
    BlockArgument,
    FlatSymbolRefAttr,
    FunctionType,
    InsertionPoint,
    Location,
    OpOperandList,
    OpResult,
    OpResultList,
    OpView,
    Region,
    StringAttr,
    Type,
    Value,
)

class FuncOp(OpView):
    def __init__(
        self,
        name: str,
        type: FunctionType | tuple[Sequence[Type], Sequence[Type]],
        *,
        visibility: str | None = None,
        body_builder: Callable[[FuncOp], None] | None = None,
        loc: Location | None = None,
        ip: InsertionPoint | None = None,
    ) -> None: ...
    @property
    def is_external(self) -> bool: ...
    @property
    def body(self) -> Region: ...
    @property
    def type(self) -> FunctionType: ...
    @property
    def visibility(self) -> Attribute: ...
    @property
    def name(self) -> StringAttr: ...
    @property
    def entry_block(self) -> Block: ...
    def add_entry_block(self, arg_locs: Sequence[Location] | None = None) -> Block: ...
    @property
    def arg_attrs(self) -> ArrayAttr: ...
    @arg_attrs.setter
    def arg_attrs(self, attribute: ArrayAttr | list[Attribute]) -> None: ...
    @property
    def arguments(self) -> Sequence[BlockArgument]: ...
    @property
    def result_attrs(self) -> Attribute: ...
    @result_attrs.setter
    def result_attrs(self, attribute: ArrayAttr) -> None: ...

class CallOp(OpView):
    @property
    def operands_(self) -> OpOperandList: ...
    @property
    def callee(self) -> FlatSymbolRefAttr: ...
    @property
    def arg_attrs(self) -> ArrayAttr | None: ...
    @property
    def res_attrs(self) -> ArrayAttr | None: ...
    @property
    def no_inline(self) -> bool: ...

class ReturnOp(OpView):
    @property
    def operands_(self) -> OpOperandList: ...

def call(
    result: Sequence[Type],
    callee: str | FlatSymbolRefAttr,
    operands_: Sequence[Value],
    *,
    arg_attrs: Attribute | None = None,
    res_attrs: Attribute | None = None,
    no_inline: bool | None = None,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> OpResult | OpResultList | CallOp: ...
def return_(
    operands_: Sequence[Value], *, loc: Location | None = None, ip: InsertionPoint | None = None
) -> ReturnOp: ...
