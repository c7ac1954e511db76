"""Bring vectors that nests spread over the lanes together in arrays that one transfer loads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from torch_mlir import ir

from polystage.analysis.implementation import MalformedImplementationError, implementation_of
from polystage.analysis.layouts import Layout
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Nest, NotANestError, NotLinearError, main_function, top_nests
from polystage.dialects import affine
from polystage.dialects.npu import element_bytes
from polystage.machine import of_module
from polystage.passes.nests.load_function import (
    STATIC,
    Argument,
    described,
    entries_of,
    load_or_new,
    text_of,
    with_arguments,
    with_results,
)
from polystage.pipeline import Pass, PassContext, option


@dataclass(frozen=True)
class BundleParameters(Pass):
    """Bring vectors that nests spread over the lanes together in arrays that one transfer loads.

    The scale and the shift of a channel are a few bytes for each lane. Each vector of them is a transfer of its own,
    whose descriptors are as small, so that many of them keep the DMA engines busy for nothing. Vectors of one length
    become the columns of one array, which stays on chip from its first use to its last.

    Before, with nests that have `%c` across their lanes:

    ```mlir
    ... %y[%c, %i] = %x[%c, %i] * %s[%c]
    ... %z[%c, %i] = %y[%c, %i] + %t[%c]
    ```

    After; `@load` makes `%b` of `%s` and `%t`:

    ```mlir
    ... %y[%c, %i] = %x[%c, %i] * %b[%c, 0]
    ... %z[%c, %i] = %y[%c, %i] + %b[%c, 1]
    ```

    Requires: `map-banks`.

    Refuses: nothing; what it cannot read stays for `pack-parameters` to report. Vectors that some nest reads in another
    way stay, and so does a length whose array would take more than `room` of the scratchpad with those before it.

    Statistics:
        bundled: vectors that became columns
        bundles: arrays that they are in
    """

    strategy: str = option("bundle", choices=("off", "bundle"), help="off: every vector is an array of its own")
    room: float = option(0.02, help="most of the scratchpad that the arrays take, as part of it")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Bundle the vectors of each length, those that take least first."""
        if self.strategy == "off":
            return
        machine = of_module(op)
        room = self.room * machine.usable_bytes_per_lane
        groups = [
            (ceil(type_.shape[0] / machine.lanes) * len(names) * element_bytes(type_.element_type), names)
            for type_, names in _vectors(main_function(op)).items()
            if len(names) > 1
        ]
        for size, names in sorted(groups):
            room -= size
            if room < 0:
                return
            with op.location:
                _bundle(op, names, machine.lanes)
            ctx.statistic("bundled", len(names))
            ctx.statistic("bundles")


# ---- legality


def _vectors(main: ir.Operation) -> dict[ir.MemRefType, list[str]]:
    """The names of vectors by type, whose every read is by the lane of a nest."""
    nests = {nest.op: nest for nest in _nests(main)}
    found: dict[ir.MemRefType, list[str]] = {}
    for array, entry in entries_of(main).items():
        type_ = ir.MemRefType(array.type)
        if text_of(entry, "kind") not in STATIC or type_.rank != 1 or not any(array.uses):
            continue
        readers = [nests.get(_outermost(use.owner.operation)) for use in array.uses]
        if all(nest is not None and _by_lane(nest, array) for nest in readers):
            found.setdefault(type_, []).append(text_of(entry, "name"))
    return found


def _nests(main: ir.Operation) -> Iterator[Nest]:
    for loop in top_nests(main):
        try:
            yield read_nest(loop)
        except (NotANestError, NotLinearError):
            continue


def _outermost(op: ir.Operation) -> ir.Operation:
    while op.parent is not None and op.parent.operation.name == "affine.for":
        op = op.parent.operation
    return op


def _by_lane(nest: Nest, array: ir.Value) -> bool:
    """Whether a nest loads one element of an array in each lane: that of the lane's own number."""
    try:
        lane = implementation_of(nest, "map-banks").lane
    except MalformedImplementationError:
        return False
    loads = [access.indices[0] for access in nest.loads if access.array == array]
    if lane is None or not loads:
        return False
    return all(index.const == 0 and index.dims[lane] == 1 and list(index.support) == [lane] for index in loads)


# ---- mechanism


def _bundle(module: ir.Operation, names: Sequence[str], lanes: int) -> None:
    """Make vectors the columns of a new parameter, in blocks of so many lanes."""
    main = main_function(module)
    entries = {text_of(entry, "name"): (array, entry) for array, entry in entries_of(main).items()}
    old = [entries[name] for name in names]
    type_ = ir.MemRefType(old[0][0].type)
    name = f"{names[0]}.bundle"
    new = ir.MemRefType.get([type_.shape[0], len(names)], type_.element_type)
    if type_.shape[0] > lanes:
        new = Layout(0, lanes).of_type(new, on_chip=False)
    load, by_name = with_results(load_or_new(module), dict(old), [Argument(new, described(name, "output"))])
    with ir.InsertionPoint.at_block_terminator(load.regions[0].blocks[0]):
        for column, each in enumerate(names):
            _fill(by_name[each], by_name[name], column)
    _keep_inside(load, names)
    first = old[0][0]
    loads = [(use.owner.operation, column) for column, (array, _) in enumerate(old) for use in array.uses]
    for op, column in loads:
        access = ir.AffineMapAttr(op.attributes["map"]).value
        results = [*access.results, ir.AffineExpr.get_constant(column)]
        op.operands[0] = first
        op.attributes["map"] = ir.AffineMapAttr.get(ir.AffineMap.get(access.n_dims, access.n_symbols, results))
    arguments = [
        Argument(new, described(name, "parameter"), array) if array == first else Argument(array.type, entry, array)
        for array, entry in entries_of(main).items()
        if array == first or text_of(entry, "name") not in names
    ]
    with_arguments(main, arguments)


def _fill(source: ir.Value, target: ir.Value, column: int) -> None:
    with affine.nest([ir.MemRefType(source.type).shape[0]]) as ivs:
        dim = ir.AffineExpr.get_dim(0)
        value = affine.load(source, ir.AffineMap.get(1, 0, [dim]), ivs)
        affine.store(value, target, ir.AffineMap.get(1, 0, [dim, ir.AffineExpr.get_constant(column)]), ivs)


def _keep_inside(load: ir.Operation, names: Sequence[str]) -> None:
    """What `@load` computed as a result and only the bundle needs becomes an array of its own."""
    entries: Mapping[ir.Value, ir.DictAttr] = entries_of(load)
    gone = [a for a, e in entries.items() if text_of(e, "name") in names and text_of(e, "kind") == "output"]
    with ir.InsertionPoint.at_block_begin(load.regions[0].blocks[0]), load.location:
        for array in gone:
            array.replace_all_uses_with(affine.alloc(ir.MemRefType(array.type), text_of(entries[array], "name")))
    if gone:
        kept = [Argument(array.type, entry, array) for array, entry in entries.items() if array not in gone]
        with_arguments(load, kept)
