"""Types of `torch_mlir.dialects.ext`: dialects defined in Python.

The classes `Operation`, `Type` and `Attribute` of a dialect are made when the dialect is subclassed; here they are
plain nested classes. Field descriptors are read by the metaclass hook, so the accessors they become are not typed.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from torch_mlir import ir

Operand = ir.Value
Result = ir.OpResult
Region = ir.Region

class DialectAlreadyLoadedError(RuntimeError): ...

class Operation(ir.OpView):
    def __init_subclass__(
        cls, *, name: str | None = None, traits: list[type] | None = None, dialect: type[Dialect] | None = None
    ) -> None: ...
    # the generated builder takes the fields in their order of definition
    def __init__(
        self, *fields: Any, loc: ir.Location | None = None, ip: ir.InsertionPoint | None = None, **named: Any
    ) -> None: ...

class Type(ir.DynamicType):
    def __init_subclass__(cls, *, name: str | None = None, dialect: type[Dialect] | None = None) -> None: ...
    @classmethod
    def get(cls, *args: ir.Attribute | ir.Type, context: ir.Context | None = None) -> Type: ...

class Attribute(ir.DynamicAttr):
    def __init_subclass__(cls, *, name: str | None = None, dialect: type[Dialect] | None = None) -> None: ...
    @classmethod
    def get(cls, *args: ir.Attribute | ir.Type, context: ir.Context | None = None) -> Attribute: ...

_Operation = Operation
_Type = Type
_Attribute = Attribute

class Dialect(ir.Dialect):
    DIALECT_NAMESPACE: ClassVar[str]
    name: ClassVar[str]
    operations: ClassVar[list[type[_Operation]]]
    types: ClassVar[list[type[_Type]]]
    attributes: ClassVar[list[type[_Attribute]]]

    class Operation(_Operation): ...
    class Type(_Type): ...
    class Attribute(_Attribute): ...

    def __init_subclass__(cls, name: str) -> None: ...
    @classmethod
    def load(cls) -> None: ...
    @classmethod
    def _emit_module(cls) -> ir.Module: ...

class Pure: ...

def result(*, default_factory: Callable[[], ir.Type] | None = None, kw_only: bool = False) -> Any: ...
def infer_result() -> Any: ...
def operand(*, kw_only: bool = False) -> Any: ...
def attribute(*, default_factory: Callable[[], ir.Attribute] | None = None, kw_only: bool = False) -> Any: ...
