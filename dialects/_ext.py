# pyright: basic
# torch_mlir.dialects.ext builds its classes at run time and carries no types that a checker could follow.
"""The one place that touches ``torch_mlir.dialects.ext``, the upstream way to define a dialect in Python.

It mends three things (measured in TOOLCHAIN.md): op views look their dialect up as ``torch_mlir.dialects.<name>`` and
retry the import on each view unless that module exists; a dialect can be loaded only once per context; and Python
verifiers run before the structural checks of IRDL, so that malformed text reaches them and a Python exception would
escape from the parser.
"""

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

Dialect = ext.Dialect
Operand = ext.Operand
Result = ext.Result


class IndexArray(ir.DenseI64ArrayAttr):
    """``array<i64: ...>`` as IRDL names it; the bindings leave the name out."""

    attr_name = "builtin.dense_array"


MemRef = ir.MemRefType


def load(dialect: type[ext.Dialect], context: ir.Context) -> None:
    """Load ``dialect`` into ``context`` unless it is there already."""
    name = dialect.DIALECT_NAMESPACE
    sys.modules.setdefault(f"torch_mlir.dialects.{name}", ModuleType(f"torch_mlir.dialects.{name}"))
    with context, ir.Location.unknown():
        if not context.is_dialect_loaded(name):
            dialect.load()


def irdl_text(dialect: type[ext.Dialect]) -> str:
    """The dialect as an IRDL module, in the form that ``mlir-opt --irdl-file=`` reads."""
    from torch_mlir.passmanager import PassManager

    with ir.Context(), ir.Location.unknown():
        module = dialect._emit_module()
        PassManager.parse("builtin.module(canonicalize,cse)").run(module.operation)
        return "".join(f"{line.rstrip()}\n" for line in str(module).rstrip().splitlines())


def verifier(check: Callable[[ir.Operation], str | None]) -> Callable[[Any], bool]:
    """The hook ``verify_invariants`` of an op class from ``check``, which returns what is wrong with an op, or None.

    ``check`` sees operations that IRDL has not looked at yet and must not assume that anything declared is there.
    """

    @functools.wraps(check)
    def verify_invariants(view: Any) -> bool:
        operation = view.operation
        problem = check(operation)
        if problem is None:
            return True
        operation.location.emit_error(f"'{operation.name}' op {problem}")
        return False

    return verify_invariants
