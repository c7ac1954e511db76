"""Move nests that depend on parameters only into a function that runs once, at load time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.analysis.values import array_name
from polystage.dialects.npu import element_bytes
from polystage.passes.nests.load_function import (
    LOAD,
    STATIC,
    Argument,
    described,
    entries_of,
    erase_unused,
    inner_operations,
    new_function,
    text_of,
    with_arguments,
)
from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class HoistParameters(Pass):
    """Move nests that depend on parameters only into a function that runs once, at load time.

    An array is *static* when every nest that writes it reads parameters and static arrays only. The static arrays that
    inference reads become parameters `hoisted.<name>`; the nests that compute them move to `@load`, which takes
    parameters and returns the hoisted arrays through out-arguments. Arguments that `@main` no longer reads go.

    An array is not hoisted when inference would then move more bytes: when it is larger than the parameters it is
    computed from (a broadcast bias, a widened weight), or when it is a plain copy of a parameter that inference also
    reads as it is (forwarding serves that without a second copy). Its nests stay; what they read is hoisted instead.

    Before:

    ```mlir
    func.func @main(%w: memref<64x32xf32> {polystage.kind = "parameter", ...}, %x, %out) {
      ... %t[%i, %j] = %w[%j, %i] ...
      ... %out[%i] += %t[%i, %j] * %x[%j] ...
    ```

    After:

    ```mlir
    func.func @main(%t: memref<32x64xf32> {polystage.kind = "parameter", polystage.name = "hoisted.t0"}, %x, %out) {
      ... %out[%i] += %t[%i, %j] * %x[%j] ...
    func.func @load(%w: memref<64x32xf32> {...}, %t: memref<32x64xf32> {polystage.kind = "output", ...}) {
      ... %t[%i, %j] = %w[%j, %i] ...
    ```

    Requires: affine normal form.

    Statistics:
        nests: nests moved
        arrays: arrays that became parameters
        bytes: their size
    """

    strategy: str = option("full", choices=("off", "full"), help="off: every nest runs at inference")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Split `@main` in two."""
        if self.strategy == "off":
            return
        main = main_function(op)
        program = _Program(main)
        hoisted = frontier(program)
        if not hoisted:
            return
        moved = cone(program, hoisted)
        ctx.statistic("nests", sum(len(program.writers[array]) for array in moved))
        ctx.statistic("arrays", len(hoisted))
        ctx.statistic("bytes", sum(map(array_bytes, hoisted)))
        with op.location:
            with ir.InsertionPoint(op.regions[0].blocks[0]):
                _write_load(program, hoisted, moved)
            _rewrite_main(program, hoisted)


def array_bytes(array: ir.Value) -> int:
    """Size of an array in memory."""
    type_ = ir.MemRefType(array.type)
    return prod(type_.shape) * element_bytes(type_.element_type)


class _Program:
    """Who writes and reads what in a function in normal form."""

    def __init__(self, function: ir.Operation) -> None:
        self.function = function
        self.block = function.regions[0].blocks[0]
        self.entries = entries_of(function)
        self.writers: dict[ir.Value, list[ir.Operation]] = {}
        self.reads: dict[ir.Operation, list[ir.Value]] = {}
        for each in self.block.operations:
            if each.operation.name == "affine.for":
                self._nest(each.operation)

    def _nest(self, nest: ir.Operation) -> None:
        reads = dict[ir.Value, None]()
        for op in inner_operations(nest):
            match op.name:
                case "affine.load" | "memref.load":
                    reads[op.operands[0]] = None
                case "affine.store" | "memref.store":
                    self.writers.setdefault(op.operands[1], []).append(nest)
                case _:
                    pass
        self.reads[nest] = list(reads)

    def kind(self, array: ir.Value) -> str:
        """Kind of an argument, "" for an array of the function's own."""
        return text_of(self.entries[array], "kind") if array in self.entries else ""

    def sources(self, array: ir.Value) -> list[ir.Value]:
        """Arrays that the writers of ``array`` read, itself left out."""
        read = dict.fromkeys(each for nest in self.writers.get(array, []) for each in self.reads[nest])
        return [each for each in read if each != array]


def static_arrays(program: _Program) -> set[ir.Value]:
    """Arrays of the function's own that depend on parameters only, parameters themselves included."""
    static = {array for array in program.entries if program.kind(array) in STATIC}
    for array in program.writers:  # in program order: what a writer reads was written before
        if array not in program.entries and all(source in static for source in program.sources(array)):
            static.add(array)
    return static


def frontier(program: _Program) -> list[ir.Value]:
    """The static arrays that inference reads and that are worth hoisting, in program order."""
    static = static_arrays(program)
    kept = {nest for array, nests in program.writers.items() if array not in static for nest in nests}
    while True:
        read = dict.fromkeys(array for nest in kept for array in program.reads[nest] if array in static)
        candidates = [array for array in program.writers if array in read]
        unfit = [array for array in candidates if not worth_hoisting(program, array, read)]
        added = {nest for array in unfit for nest in program.writers[array]} - kept
        if not added:
            return [array for array in candidates if not any(nest in kept for nest in program.writers[array])]
        kept |= added


def worth_hoisting(program: _Program, array: ir.Value, read: Iterable[ir.Value]) -> bool:
    """Whether inference moves no more bytes with ``array`` as a parameter of its own."""
    leaves = [leaf for leaf in cone_sources(program, array) if leaf in program.entries]
    if array_bytes(array) > sum(map(array_bytes, leaves)):
        return False
    return not (moves_only(program, array) and any(leaf in read for leaf in leaves))


def moves_only(program: _Program, array: ir.Value) -> bool:
    """Whether an array is nothing but data moved from other arrays."""
    return all(
        op.name in ("affine.for", "affine.load", "affine.store", "affine.yield")
        for nest in program.writers[array]
        for op in inner_operations(nest)
    )


def cone_sources(program: _Program, array: ir.Value) -> list[ir.Value]:
    """All arrays that ``array`` depends on, without itself."""
    seen, pending = dict[ir.Value, None](), program.sources(array)
    while pending:
        source = pending.pop()
        if source not in seen:
            seen[source] = None
            pending.extend(program.sources(source))
    return list(seen)


def cone(program: _Program, arrays: Sequence[ir.Value]) -> list[ir.Value]:
    """Own arrays that have to be computed for ``arrays``, themselves included, in program order."""
    needed = {*arrays, *(source for array in arrays for source in cone_sources(program, array))}
    return [array for array in program.writers if array in needed]


def _write_load(program: _Program, hoisted: Sequence[ir.Value], moved: Sequence[ir.Value]) -> None:
    leaves = {source for array in hoisted for source in cone_sources(program, array)}
    arguments = [array for array in program.entries if array in leaves]
    function = new_function(
        LOAD,
        [
            *(Argument(array.type, program.entries[array]) for array in arguments),
            *(Argument(array.type, described(f"hoisted.{array_name(array)}", "output")) for array in hoisted),
        ],
    )
    block = function.regions[0].blocks[0]
    values: dict[ir.Value, ir.Value] = dict(zip([*arguments, *hoisted], block.arguments, strict=True))
    nests = {nest for array in moved for nest in program.writers[array]}
    with ir.InsertionPoint(block):
        for each in program.block.operations:
            op = each.operation
            if op in nests:
                _remap(op.clone().operation, values)
            elif op.name != "affine.for" and len(op.results) == 1 and op.results[0] not in values:
                values[op.results[0]] = op.clone().operation.results[0]
        ir.Operation.create("func.return")
    erase_unused(block)


def _remap(op: ir.Operation, values: Mapping[ir.Value, ir.Value]) -> None:
    for inner in inner_operations(op):
        for position, operand in enumerate(inner.operands):
            if operand in values:
                inner.operands[position] = values[operand]


def _rewrite_main(program: _Program, hoisted: Sequence[ir.Value]) -> None:
    """Replace `@main` by one with the hoisted arrays as parameters and without the arguments it no longer reads."""
    old = program.function
    kept = {nest for array in hoisted for nest in program.writers[array]}
    dead = _dead_nests(program, hoisted, kept)
    for nest in dead:
        nest.erase()
    staying = [array for array in program.entries if _stays(program, array)]
    weights = [array for array in staying if program.kind(array) in STATIC]
    others = [array for array in staying if program.kind(array) not in STATIC]
    new = with_arguments(
        old,
        [
            *(Argument(array.type, program.entries[array], array) for array in weights),
            *(Argument(each.type, described(f"hoisted.{array_name(each)}", "parameter"), each) for each in hoisted),
            *(Argument(array.type, program.entries[array], array) for array in others),
        ],
    )
    erase_unused(new.regions[0].blocks[0])


def _stays(program: _Program, array: ir.Value) -> bool:
    return program.kind(array) not in STATIC or any(True for _ in array.uses)


def _dead_nests(program: _Program, hoisted: Sequence[ir.Value], start: set[ir.Operation]) -> list[ir.Operation]:
    """Nests that nobody needs once the writers of the hoisted arrays are gone, last first."""
    dead = set(start)
    readers: dict[ir.Value, set[ir.Operation]] = {}
    for nest, arrays in program.reads.items():
        for array in arrays if nest not in dead else ():
            readers.setdefault(array, set()).add(nest)
    for array, nests in reversed(program.writers.items()):
        if array in program.entries or array in hoisted or any(nest in dead for nest in nests):
            continue
        if not readers.get(array, set()) - set(nests):
            dead.update(nests)
            for nest in nests:
                for source in program.reads[nest]:
                    readers[source].discard(nest)
    return [nest for nest in reversed(program.reads) if nest in dead]
