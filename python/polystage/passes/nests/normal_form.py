"""The clauses of the affine normal form. Shares no code with the passes that produce it."""

import re
from collections.abc import Iterator, Sequence

from torch_mlir import ir

from polystage.passes.nests.clauses import NestForm, is_element

Breach = tuple["ir.Operation | ir.Value", str]

KINDS = frozenset(("parameter", "buffer", "constant", "input", "output"))
GLOBAL_BYTES = 1 << 16
"""Largest constant in the IR; larger ones are arguments of kind constant."""
ALLOC_NAME = re.compile(r"t\d+")


def breaches(module: ir.Operation) -> Iterator[Breach]:
    """Every breach of a clause in ``module``."""
    funcs: list[ir.Operation] = []
    for view in module.regions[0].blocks[0].operations:
        op = view.operation
        if op.name == "func.func":
            funcs.append(op)
        elif op.name == "memref.global":
            yield from _global(op)
        else:
            yield op, f"'{op.name}' does not belong at module level"
    names = sorted(_text(func, "sym_name") or "" for func in funcs)
    if names not in (["main"], ["load", "main"]):
        found = ", ".join(f"'@{name}'" for name in names) or "none"
        yield module, f"a module in normal form has '@main' and at most '@load' beside it, this one has {found}"
        return
    for func in funcs:
        yield from _Function(func).check()


def _global(op: ir.Operation) -> Iterator[Breach]:
    value = op.attributes.get("initial_value", None)
    if not isinstance(value, ir.DenseElementsAttr):
        yield op, "a global must have dense contents"
        return
    if value.is_splat:
        yield op, "a global that repeats one number must be a scalar constant"
    type_ = ir.MemRefType(ir.TypeAttr(op.attributes["type"]).value)
    size = _elements(type_) * _bits(type_.element_type) // 8
    if size > GLOBAL_BYTES:
        yield op, f"the global holds {size:,} bytes, more than {GLOBAL_BYTES:,}; make it an argument of kind 'constant'"


def _text(op: ir.Operation, key: str) -> str | None:
    value = op.attributes.get(key, None)
    return value.value if isinstance(value, ir.StringAttr) else None


def _elements(type_: ir.MemRefType) -> int:
    count = 1
    for size in type_.shape:
        count *= size
    return count


def _bits(type_: ir.Type) -> int:
    return 32 if isinstance(type_, ir.F32Type) else type_.width if isinstance(type_, ir.IntegerType) else 16


def _array_problem(type_: ir.Type) -> str | None:
    if not isinstance(type_, ir.MemRefType):
        return f"has type {type_}, must be a memref"
    if not type_.has_static_shape:
        return f"has type {type_}, must have a static shape"
    if type_.memory_space is not None or type_.affine_map != ir.AffineMap.get_identity(type_.rank):
        return f"has type {type_}, must be in the default memory space with the identity layout"
    if not is_element(type_.element_type):
        return f"has element type {type_.element_type}, must be one of i1, i8, i32, f16, bf16, f32"
    return None


class _Function:
    """The check of one function; knows the arrays so far and which of them are written and read."""

    def __init__(self, func: ir.Operation) -> None:
        self.func = func
        self.names: set[str] = set()
        self.arrays: set[ir.Value] = set()
        self.writable: set[ir.Value] = set()
        self.written: set[ir.Value] = set()
        self.read: set[ir.Value] = set()

    def check(self) -> Iterator[Breach]:
        """The breaches of this function."""
        if len(ir.FunctionType(ir.TypeAttr(self.func.attributes["function_type"]).value).results):
            yield self.func, "results must be arguments of kind 'output'"
        if len(self.func.regions[0].blocks) != 1:
            yield self.func, "the function must have one block"
            return
        block = self.func.regions[0].blocks[0]
        yield from self._arguments(list(block.arguments))
        started = False
        for view in block.operations:
            op = view.operation
            started |= op.name in ("affine.for", "memref.alloc")
            yield from self._operation(op, started)
        yield from self._ends()

    def _arguments(self, arguments: Sequence[ir.Value]) -> Iterator[Breach]:
        given = list(ir.ArrayAttr(self.func.attributes["arg_attrs"])) if "arg_attrs" in self.func.attributes else []
        outputs = False
        for position, argument in enumerate(arguments):
            entry = {a.name: a.attr for a in ir.DictAttr(given[position])} if given else {}
            kind, name = (_string(entry.get(key)) for key in ("polystage.kind", "polystage.name"))
            if kind not in KINDS:
                yield argument, f"argument {position} must have polystage.kind, one of {', '.join(sorted(KINDS))}"
            elif outputs and kind != "output":
                yield argument, f"argument {position} of kind '{kind}' comes after an output"
            outputs = kind == "output"
            yield from self._array(argument, name, f"argument {position}")
            (self.writable if kind == "output" else self.written).add(argument)

    def _array(self, array: ir.Value, name: str | None, what: str) -> Iterator[Breach]:
        self.arrays.add(array)
        problem = _array_problem(array.type)
        if problem is not None:
            yield array, f"{what} {problem}"
        if not name:
            yield array, f"{what} must have polystage.name"
        elif name in self.names:
            yield array, f"the name '{name}' is used twice"
        else:
            self.names.add(name)

    def _operation(self, op: ir.Operation, started: bool) -> Iterator[Breach]:
        match op.name:
            case "arith.constant":
                if started:
                    yield op, "scalar constants belong at the top of the function"
                if not is_element(op.results[0].type) and not isinstance(op.results[0].type, ir.IndexType):
                    yield op, f"constants of type {op.results[0].type} do not occur in the normal form"
            case "memref.get_global":
                self.arrays.add(op.results[0])
                self.written.add(op.results[0])
            case "memref.alloc":
                name = _string(op.attributes.get("polystage.name", None))
                yield from self._array(op.results[0], name, "the allocated array")
                if name and not ALLOC_NAME.fullmatch(name):
                    yield op, f"an allocated array is named t<number>, not '{name}'"
                self.writable.add(op.results[0])
            case "affine.for":
                yield from self._nest(op)
            case "func.return":
                pass
            case _:
                yield op, f"'{op.name}' does not belong between nests"

    def _nest(self, op: ir.Operation) -> Iterator[Breach]:
        nest = NestForm(op)
        yield from nest.check()
        for array in nest.loaded:
            if array not in self.arrays:
                yield op, "a nest loads from an argument, an allocated array or a global"
            elif array not in self.written:
                yield op, "the nest reads an array that no nest has written before"
        self.read.update(nest.loaded)
        if nest.stored is not None:
            if nest.stored not in self.writable:
                yield op, "a nest stores to an output or an allocated array"
            self.written.add(nest.stored)

    def _ends(self) -> Iterator[Breach]:
        for array in self.writable - self.written:
            yield array, "the array is never written"
        for array in self.writable - self.read:
            if not isinstance(array.owner, ir.Block):
                yield array, "the array is never read"


def _string(value: ir.Attribute | None) -> str | None:
    return value.value if isinstance(value, ir.StringAttr) else None
