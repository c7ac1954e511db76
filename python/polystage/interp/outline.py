"""Cut ``@main`` into native functions, one per top-level operation, and a list of steps that calls them.

LLVM's time grows faster than linearly with the size of a function, and models repeat the same nest many times: equal
operations share one function. Buffers are allocated and released by the caller, so that memory in use stays small.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import func

# Operations whose result is the same memory as their operand: with static offsets in the type, the same pointer.
_VIEWS = ("memref.subview", "memref.expand_shape", "memref.collapse_shape", "memref.cast", "memref.reinterpret_cast")


@dataclass(frozen=True)
class Allocate:
    """Bind a slot to fresh memory."""

    slot: int
    elements: int
    kind: str


@dataclass(frozen=True)
class Call:
    """Run a function; ``slots`` are its operands and, last, its result if it has one."""

    function: str
    slots: tuple[int, ...]


@dataclass(frozen=True)
class Release:
    """Give back the memory of a slot."""

    slot: int


@dataclass(frozen=True)
class Plan:
    """``@main`` as steps over numbered slots; the first ``arguments`` slots are bound by the caller."""

    arguments: int
    slots: int
    steps: tuple[Allocate | Call | Release, ...]


def outline(module: ir.Module, main: ir.Operation) -> Plan:
    """Move the body of ``main`` into functions of the module and erase it."""
    body = main.regions[0].blocks[0]
    slots: dict[ir.Value, int] = {argument: number for number, argument in enumerate(body.arguments)}
    functions = _Functions(module)
    steps: list[Allocate | Call] = []
    for op in [op.operation for op in body.operations]:
        if op.name in ("arith.constant", "func.return"):
            continue
        if op.name in _VIEWS:
            slots[op.result] = slots[op.operands[0]]
            continue
        slots.update((result, max(slots.values(), default=-1) + 1) for result in op.results)
        if op.name == "memref.alloc":
            kind = ir.MemRefType(op.result.type)
            steps.append(Allocate(slots[op.result], math.prod(kind.shape), str(kind.element_type)))
            continue
        operands = [value for value in _captured(op) if not _is_constant(value)]
        called = tuple(slots[value] for value in (*operands, *op.results))
        steps.append(Call(functions.of(op), called))
    arguments = len(body.arguments)
    count = max(slots.values(), default=-1) + 1
    main.erase()
    return Plan(arguments, count, _with_releases(steps))


def _with_releases(steps: Sequence[Allocate | Call]) -> tuple[Allocate | Call | Release, ...]:
    """Release each allocated slot after the last step that uses it."""
    owned = {step.slot for step in steps if isinstance(step, Allocate)}
    last = {slot: position for position, step in enumerate(steps) for slot in _used(step) if slot in owned}
    planned: list[Allocate | Call | Release] = []
    for position, step in enumerate(steps):
        planned.append(step)
        planned += [Release(slot) for slot in dict.fromkeys(_used(step)) if last.get(slot) == position]
    return tuple(planned)


def _used(step: Allocate | Call) -> tuple[int, ...]:
    return (step.slot,) if isinstance(step, Allocate) else step.slots


class _Functions:
    """The native functions made so far, by their text."""

    def __init__(self, module: ir.Module) -> None:
        self._at = ir.InsertionPoint.at_block_begin(module.body)
        self._names: dict[str, str] = {}

    def of(self, op: ir.Operation) -> str:
        """The name of a function that does what ``op`` does."""
        function = _function(self._at, f"step_{len(self._names)}", op)
        name = function.name.value
        text = function.operation.get_asm(assume_verified=True, use_local_scope=True).replace(name, "", 1)
        known = self._names.setdefault(text, name)
        if known != name:
            function.operation.erase()
        return known


def _captured(op: ir.Operation) -> list[ir.Value]:
    """Values defined outside the operation and used by it or inside it, in order of first use."""
    inside: set[ir.Value] = set()
    found: dict[ir.Value, None] = {}

    def visit(inner: ir.Operation) -> ir.WalkResult:
        inside.update(inner.results)
        for region in inner.regions:
            for block in region.blocks:
                inside.update(block.arguments)
        return ir.WalkResult.ADVANCE

    def collect(inner: ir.Operation) -> ir.WalkResult:
        found.update(dict.fromkeys(value for value in inner.operands if value not in inside))
        return ir.WalkResult.ADVANCE

    op.walk(visit)
    op.walk(collect)
    return list(found)


def _is_constant(value: ir.Value) -> bool:
    return not isinstance(value.owner, ir.Block) and value.owner.name == "arith.constant"


def _function(at: ir.InsertionPoint, name: str, op: ir.Operation) -> Any:
    """A function that runs a copy of ``op`` on its arguments and returns its results; constants are copied along."""
    captured = _captured(op)
    passed = [value for value in captured if not _is_constant(value)]
    results = [result.type for result in op.results]
    function = func.FuncOp(name, ([value.type for value in passed], results), ip=at)
    body = function.add_entry_block()
    inner: dict[ir.Value, ir.Value] = dict(zip(passed, body.arguments, strict=True))
    with ir.InsertionPoint(body):
        for value in captured:
            if _is_constant(value):
                inner[value] = ir.OpResult(value).owner.operation.clone().result
        copy = op.clone().operation
        ir.Operation.create("func.return", operands=list(copy.results))

    def rename(user: ir.Operation) -> ir.WalkResult:
        for number, value in enumerate(user.operands):
            if value in inner:
                user.operation.operands[number] = inner[value]
        return ir.WalkResult.ADVANCE

    copy.walk(rename)
    return function
