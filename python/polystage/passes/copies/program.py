"""A function in affine normal form as a list of bodies that copy elimination edits, and its way back to IR."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import prod

from torch_mlir import ir

from polystage import poly
from polystage.analysis.nests import main_function
from polystage.dialects import npu
from polystage.passes.copies.region import Image, image, solved_image
from polystage.passes.nests.body import Body, Load, loads_of
from polystage.passes.nests.io import Reader, Writer
from polystage.passes.nests.ir import splat_globals
from polystage.passes.nests.quasi import Quasi
from polystage.passes.nests.tree import statements_of

ORIGIN = "polystage.origin"
ARRAYS = frozenset(("memref.alloc", "memref.get_global"))


@dataclass(frozen=True, slots=True)
class Array:
    """``kind`` is that of the argument, ``alloc``, or ``global``."""

    name: str
    kind: str
    shape: tuple[int, ...]
    element: ir.Type
    value: ir.Value

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return prod(self.shape) * npu.element_bytes(self.element)


@dataclass(eq=False, slots=True)
class Nest:
    """``body`` at a place of the program; nests are ordered by ``order``.

    A *witness* is no code: its body says of an eliminated array where its elements are now. It is rewritten like code
    and becomes a certificate.
    """

    order: tuple[int, ...]
    body: Body
    location: ir.Location
    origin: str
    op: ir.Operation | None = None
    witness: str = ""
    cached: "Image | bool | None" = False

    @property
    def target(self) -> ir.Value:
        """The array that it stores to."""
        return self.body.result().array

    @property
    def image(self) -> Image | None:
        """What its store covers."""
        if self.cached is False:
            self.cached = image(self.body.result().indices, self.body.extents)
        assert not isinstance(self.cached, bool)
        return self.cached


@dataclass(eq=False, slots=True)
class Program:
    """The nests of ``@main``; ``readers`` and ``writers`` say which nests use an array."""

    func: ir.Operation
    arrays: dict[ir.Value, Array]
    operations: int = 1_000_000
    """Bound on the work of one question to isl."""
    nests: dict[Nest, None] = field(default_factory=dict)
    readers: dict[ir.Value, dict[Nest, None]] = field(default_factory=dict)
    writers: dict[ir.Value, dict[Nest, None]] = field(default_factory=dict)
    places: list[ir.Operation] = field(default_factory=list)
    """The operations of the function as read; a nest's ``order`` begins with its position here."""
    removed: list[Nest] = field(default_factory=list)
    gone: dict[ir.Value, list[Nest]] = field(default_factory=dict)
    """Array -> removed writers of parts that no code reads; what they hid stays hidden."""
    stamps: dict[ir.Value, int] = field(default_factory=dict)
    """Array -> a number that grows when its writers change."""

    def add(self, nest: Nest) -> None:
        """Enter a nest."""
        self.nests[nest] = None
        self._solve_image(nest)
        for load in loads_of(nest.body):
            self.readers.setdefault(load.array, {})[nest] = None
        if not nest.witness:
            self.writers.setdefault(nest.target, {})[nest] = None
            self._touch(nest.target)

    def remove(self, nest: Nest) -> None:
        """Take a nest out."""
        del self.nests[nest]
        for load in loads_of(nest.body):
            self.readers[load.array].pop(nest, None)
        if not nest.witness:
            del self.writers[nest.target][nest]
            self._touch(nest.target)
            if nest.op is not None:
                self.removed.append(nest)

    def replace(self, nest: Nest, bodies: Iterable[Body]) -> list[Nest]:
        """Put ``bodies``, in order, in the place of ``nest``."""
        bodies = list(bodies)
        self.remove(nest)
        orders = [nest.order] if len(bodies) == 1 else [(*nest.order, k) for k in range(len(bodies))]
        new = [Nest(o, b, nest.location, nest.origin, None, nest.witness) for o, b in zip(orders, bodies, strict=True)]
        for each in new:
            self.add(each)
        return new

    def code(self) -> list[Nest]:
        """The nests that are code, in program order."""
        return sorted((n for n in self.nests if not n.witness), key=lambda n: n.order)

    def readers_of(self, array: ir.Value) -> list[Nest]:
        """The nests that load from an array, in program order."""
        return sorted((n for n in self.readers.get(array, {}) if not n.witness), key=lambda n: n.order)

    def writers_of(self, array: ir.Value) -> list[Nest]:
        """The nests that store to an array, in program order."""
        return sorted(self.writers.get(array, {}), key=lambda n: n.order)

    def fresh_name(self) -> str:
        """A name of the form ``t<number>`` that no array has."""
        numbers = [int(a.name[1:]) for a in self.arrays.values() if a.name[:1] == "t" and a.name[1:].isdigit()]
        return f"t{max(numbers, default=-1) + 1}"

    def stamp(self, array: ir.Value) -> int:
        """Changes when the writers of the array change."""
        return self.stamps.get(array, 0)

    def _solve_image(self, nest: Nest) -> None:
        """Ask isl for the image of a store with floors or remainders; what it cannot say in time stays unknown."""
        indices, extents = nest.body.result().indices, nest.body.extents
        exprs = [index for index in indices if isinstance(index, Quasi)]
        if nest.cached is False and any(not isinstance(atom, int) for index in exprs for atom, _ in index.terms):
            with suppress(poly.OperationBoundError):
                nest.cached = solved_image(exprs, extents, self.operations) if len(exprs) == len(indices) else None

    def _touch(self, array: ir.Value) -> None:
        self.stamps[array] = self.stamps.get(array, 0) + 1


def loads_from(nest: Nest, array: ir.Value) -> Iterator[Load]:
    """The loads of a nest from one array."""
    return (load for load in loads_of(nest.body) if load.array == array)


def read_program(module: ir.Operation, operations: int = 1_000_000) -> Program:
    """The function ``@main`` of a module; ``operations`` bounds one question to isl."""
    func = main_function(module)
    block = func.regions[0].blocks[0]
    reader = Reader(splat_globals(module))
    program = Program(func, {a.value: a for a in _arrays(func)}, operations)
    program.places.extend(view.operation for view in block.operations)
    ordinals: dict[ir.Value, int] = {}
    for position, op in enumerate(program.places):
        if op.name != "affine.for":
            continue
        body = reader.read(next(statements_of(op)))
        target = body.result().array
        ordinal = ordinals[target] = ordinals.get(target, -1) + 1
        origin = f"{program.arrays[target].name}#{ordinal}"
        if ORIGIN in op.attributes:
            origin = ir.StringAttr(op.attributes[ORIGIN]).value
        program.add(Nest((position,), body, op.location, origin, op))
    return program


def _arrays(func: ir.Operation) -> Iterator[Array]:
    block = func.regions[0].blocks[0]
    given = list(ir.ArrayAttr(func.attributes["arg_attrs"])) if "arg_attrs" in func.attributes else []
    for argument, attributes in zip(block.arguments, given, strict=True):
        entry = ir.DictAttr(attributes)
        name, kind = (ir.StringAttr(entry[key]).value for key in ("polystage.name", "polystage.kind"))
        yield _array(argument, name, kind)
    for view in block.operations:
        op = view.operation
        if op.name == "memref.alloc":
            yield _array(op.results[0], ir.StringAttr(op.attributes["polystage.name"]).value, "alloc")
        elif op.name == "memref.get_global":
            yield _array(op.results[0], ir.FlatSymbolRefAttr(op.attributes["name"]).value, "global")


def _array(value: ir.Value, name: str, kind: str) -> Array:
    type_ = ir.MemRefType(value.type)
    return Array(name, kind, tuple(type_.shape), type_.element_type, value)


def write_program(program: Program) -> None:
    """Bring the IR up to date: new nests are written at their place, removed ones and unused arrays are erased."""
    block = program.func.regions[0].blocks[0]
    places = program.places
    arrays = [view.operation for view in block.operations if view.operation.name in ARRAYS]
    _place_arrays(program, places)
    writer = Writer(block)
    kept = {nest.order for nest in program.nests if nest.op is not None}
    for nest in program.code():
        if nest.op is None:
            position = nest.order[0] + ((nest.order[0],) in kept)
            with ir.InsertionPoint(places[position]):
                writer.write(nest.body, nest.location)
    for nest in program.removed:
        assert nest.op is not None
        nest.op.erase()
    loops = [view.operation for view in block.operations if view.operation.name == "affine.for"]
    for loop, nest in zip(loops, program.code(), strict=True):
        loop.attributes[ORIGIN] = ir.StringAttr.get(nest.origin)
    for place in arrays:
        if not any(True for _ in place.results[0].uses):
            place.erase()


def _place_arrays(program: Program, places: list[ir.Operation]) -> None:
    """Move an array that is used earlier than before in front of its first use."""
    first: dict[ir.Value, int] = {}
    for nest in program.code():
        for array in (nest.target, *(load.array for load in loads_of(nest.body))):
            first.setdefault(array, nest.order[0])
    for position, place in enumerate(places):
        if place.name == "memref.alloc" and first.get(place.results[0], position) < position:
            place.move_before(places[first[place.results[0]]])
