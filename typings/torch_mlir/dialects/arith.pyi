"""Types of the part of `torch_mlir.dialects.arith` that a compiler needs: the builder functions."""

from enum import IntEnum
from typing import Protocol, overload

from torch_mlir.ir import Attribute, InsertionPoint, Location, OpResult, OpView, Type, Value

class CmpFPredicate(IntEnum):
    AlwaysFalse = 0
    OEQ = 1
    OGT = 2
    OGE = 3
    OLT = 4
    OLE = 5
    ONE = 6
    ORD = 7
    UEQ = 8
    UGT = 9
    UGE = 10
    ULT = 11
    ULE = 12
    UNE = 13
    UNO = 14
    AlwaysTrue = 15

class CmpIPredicate(IntEnum):
    eq = 0
    ne = 1
    slt = 2
    sle = 3
    sgt = 4
    sge = 5
    ult = 6
    ule = 7
    ugt = 8
    uge = 9

class _Binary(Protocol):
    def __call__(
        self, lhs: Value, rhs: Value, *, loc: Location | None = None, ip: InsertionPoint | None = None
    ) -> OpResult: ...

class _Cast(Protocol):
    def __call__(
        self, out: Type, in_: Value, *, loc: Location | None = None, ip: InsertionPoint | None = None
    ) -> OpResult: ...

class ConstantOp(OpView):
    @overload
    def __init__(
        self, result: Type, value: Attribute | float, *, loc: Location | None = None, ip: InsertionPoint | None = None
    ) -> None: ...
    @overload
    def __init__(
        self, result: Attribute, value: None, *, loc: Location | None = None, ip: InsertionPoint | None = None
    ) -> None: ...
    @classmethod
    def create_index(
        cls, value: int, *, loc: Location | None = None, ip: InsertionPoint | None = None
    ) -> ConstantOp: ...
    @property
    def type(self) -> Type: ...
    @property
    def value(self) -> Attribute: ...
    @property
    def literal_value(self) -> int | float: ...

def constant(
    result: Type, value: Attribute | float, *, loc: Location | None = None, ip: InsertionPoint | None = None
) -> OpResult: ...
def cmpf(
    predicate: CmpFPredicate | Attribute,
    lhs: Value,
    rhs: Value,
    *,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> OpResult: ...
def cmpi(
    predicate: CmpIPredicate | Attribute,
    lhs: Value,
    rhs: Value,
    *,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> OpResult: ...
def negf(operand: Value, *, loc: Location | None = None, ip: InsertionPoint | None = None) -> OpResult: ...
def select(
    condition: Value,
    true_value: Value,
    false_value: Value,
    *,
    loc: Location | None = None,
    ip: InsertionPoint | None = None,
) -> OpResult: ...

addf: _Binary
addi: _Binary
andi: _Binary
ceildivsi: _Binary
ceildivui: _Binary
divf: _Binary
divsi: _Binary
divui: _Binary
floordivsi: _Binary
maximumf: _Binary
maxnumf: _Binary
maxsi: _Binary
maxui: _Binary
minimumf: _Binary
minnumf: _Binary
minsi: _Binary
minui: _Binary
mulf: _Binary
muli: _Binary
ori: _Binary
remf: _Binary
remsi: _Binary
remui: _Binary
shli: _Binary
shrsi: _Binary
shrui: _Binary
subf: _Binary
subi: _Binary
xori: _Binary

bitcast: _Cast
convertf: _Cast
extf: _Cast
extsi: _Cast
extui: _Cast
fptosi: _Cast
fptoui: _Cast
index_cast: _Cast
index_castui: _Cast
sitofp: _Cast
truncf: _Cast
trunci: _Cast
uitofp: _Cast
