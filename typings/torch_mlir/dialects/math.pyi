"""Types of the part of `torch_mlir.dialects.math` that a compiler needs: the builder functions."""

from typing import Protocol

from torch_mlir.ir import InsertionPoint, Location, OpResult, Value

class _Unary(Protocol):
    def __call__(
        self, operand: Value, *, loc: Location | None = None, ip: InsertionPoint | None = None
    ) -> OpResult: ...

class _Binary(Protocol):
    def __call__(
        self, lhs: Value, rhs: Value, *, loc: Location | None = None, ip: InsertionPoint | None = None
    ) -> OpResult: ...

absf: _Unary
absi: _Unary
acos: _Unary
acosh: _Unary
asin: _Unary
asinh: _Unary
atan: _Unary
atanh: _Unary
cbrt: _Unary
ceil: _Unary
cos: _Unary
cosh: _Unary
ctlz: _Unary
ctpop: _Unary
cttz: _Unary
erf: _Unary
erfc: _Unary
exp: _Unary
exp2: _Unary
expm1: _Unary
floor: _Unary
isfinite: _Unary
isinf: _Unary
isnan: _Unary
isnormal: _Unary
log: _Unary
log10: _Unary
log1p: _Unary
log2: _Unary
round: _Unary
roundeven: _Unary
rsqrt: _Unary
sin: _Unary
sinh: _Unary
sqrt: _Unary
tan: _Unary
tanh: _Unary
trunc: _Unary

atan2: _Binary
copysign: _Binary
fpowi: _Binary
ipowi: _Binary
powf: _Binary

def fma(a: Value, b: Value, c: Value, *, loc: Location | None = None, ip: InsertionPoint | None = None) -> OpResult: ...
