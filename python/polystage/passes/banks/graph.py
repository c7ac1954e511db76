"""From nests to the problem of bank mapping: slots, choices with their costs, regions, homes.

What an access wants follows from the loop that the implementation puts on its lanes. Where that loop runs along one
dimension of the array, one element an iteration, from legal start lanes, the access wants this dimension across the
lanes. Every other access is served by a private copy whose cost belongs to the choice.

What every lane of an implementation reads in full is in place where every lane holds the array; otherwise the nest
copies it for itself.

Arrays that are given (arguments, constants) lie in DRAM: wanting them in a layout is a load, for parameters at full
bandwidth (they are packed freely when the model is loaded), else by the descriptors of its runs. A relayout on chip and
a copy for every lane go through the matrix engine where that is faster than a transfer. All that is read after the last
write of an array shares relayouts; where writes and reads alternate, every access has its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from torch_mlir import ir

from polystage.analysis.costs import broadcast_ns, engine_ns, exchange_ns, move_ns
from polystage.analysis.implementation import RELAYOUT, Implementation
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import Nest, signature
from polystage.analysis.reductions import product_of, reduction_of
from polystage.analysis.tiling import lane_of_result
from polystage.analysis.values import array_name, producer
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine
from polystage.passes.banks.candidates import choose, legal
from polystage.passes.banks.problem import (
    ANY,
    IN_DRAM,
    ONE_LANE,
    REPLICATED,
    Array,
    Choice,
    Item,
    Move,
    Problem,
    Region,
    fixes_home,
    is_own,
)
from polystage.passes.banks.replicas import Numbers, OwnCopies, fits_every_lane, useful
from polystage.passes.banks.slots import (
    Slot,
    footprint,
    hull_of,
    is_given,
    is_on_every_lane,
    is_packed,
    largest_dim,
    loads_only,
    moved_choices,
    private_copy,
    run_of,
    slots_of,
    wanted_layout,
)
from polystage.passes.banks.strategy import Pins
from polystage.passes.nests.relayouts import is_moved

NO_PINS = Pins()
ELSEWHERE = 1.0
"""Price in ns of storing an array in another layout than it is computed in: at equal cost readers relayout."""
WASTE = 1e-4
"""Price in ns of a byte of scratchpad that a layout leaves empty on idle lanes: breaks ties for well-filled lanes."""


@dataclass(frozen=True)
class Graph:
    """The problem and what its parts are: nests with their names, slots and implementations, arrays."""

    problem: Problem
    nests: tuple[Nest, ...]
    names: tuple[str, ...]
    slots: tuple[tuple[Slot, ...], ...]
    implementations: tuple[tuple[Implementation, ...], ...]
    arrays: tuple[ir.Value, ...]


@dataclass(frozen=True)
class _Options:
    """The implementations of a nest, and which of them it would take by itself; equal for nests of one signature."""

    implementations: tuple[Implementation, ...]
    favourite: Implementation
    engine_ns: tuple[float, ...]


class UnmetPinError(Exception):
    """A pin that cannot be met; ``where`` is the nest or the array."""

    def __init__(self, where: ir.Operation, message: str) -> None:
        super().__init__(message)
        self.where = where


def build(nests: Sequence[Nest], machine: Machine, price: float, pins: Pins = NO_PINS) -> Graph:
    """The graph of a function; ``price`` in ns is that of a relayout byte. Raises NotSelectableError, UnmetPinError."""
    return _Builder(nests, machine, price, pins).graph()


def _pinned(nest: Nest, pin: Implementation, machine: Machine) -> _Options:
    able = legal(nest, machine)
    if pin not in able:
        listed = " or ".join(str(each.to_attribute()) for each in able)
        raise UnmetPinError(
            nest.op, f"nest is pinned to {pin.to_attribute()}, which does not run it; legal is {listed}"
        )
    return _Options((pin,), pin, (engine_ns(nest, pin, nest.extents, machine),))


def nest_names(nests: Sequence[Nest]) -> tuple[str, ...]:
    """``array#k``: the k-th nest that stores to the array, counted from zero."""
    counts: dict[ir.Value, int] = {}
    names: list[str] = []
    for nest in nests:
        number = counts[nest.store.array] = counts.get(nest.store.array, -1) + 1
        names.append(f"{array_name(nest.store.array)}#{number}")
    return tuple(names)


class _Builder:
    """Builds the graph; a class because the steps share the tables of arrays and regions."""

    def __init__(self, nests: Sequence[Nest], machine: Machine, price: float, pins: Pins) -> None:
        self.nests, self.machine, self.price, self.pins = nests, machine, price, pins
        self.names = nest_names(nests)
        self.options: dict[object, _Options] = {}
        self.slots = [tuple(slots_of(nest)) for nest in nests]
        self.arrays = list(dict.fromkeys(slot.access.array for slots in self.slots for slot in slots))
        self.number = {array: k for k, array in enumerate(self.arrays)}
        self.most: dict[tuple[ir.MemRefType, int, bool, bool], float] = {}
        self.own_copies = OwnCopies(machine, price)
        self.packed = {array for array in self.arrays if is_given(array) and is_packed(array)}

    def graph(self) -> Graph:
        named = zip(self.names, self.nests, self.slots, strict=True)
        options = useful(
            [self._item(nest, slots, self.pins.implementations.get(name)) for name, nest, slots in named],
            {k for k, array in enumerate(self.arrays) if fits_every_lane(size_of(array), self.machine)},
        )
        items, implementations = [item for item, _ in options], [each for _, each in options]
        arrays = tuple(self._array(array, items) for array in self.arrays)
        items = [self.own_copies.settled(item, arrays) for item in items]
        items, regions = self._regions(items, arrays)
        problem = Problem(arrays, regions, tuple(items))
        return Graph(
            problem, tuple(self.nests), self.names, tuple(self.slots), tuple(implementations), tuple(self.arrays)
        )

    def _item(
        self, nest: Nest, slots: Sequence[Slot], pin: Implementation | None
    ) -> tuple[Item, tuple[Implementation, ...]]:
        """The nest with the numbers of its arrays for regions, for now."""
        if is_moved(nest.op):
            choices, numbers = moved_choices(nest, slots, self.machine), [self.number[s.access.array] for s in slots]
            return Item(tuple(numbers), choices, 0, 1, follows=True, macs=0), (RELAYOUT,) * len(choices)
        options = self._options(nest) if pin is None else _pinned(nest, pin, self.machine)
        known: Numbers = {}
        choices = [
            self._choice(nest, slots, each, ns, known)
            for each, ns in zip(options.implementations, options.engine_ns, strict=True)
        ]
        kept = self._kept(slots, choices, options)
        own = [k for k, slot in enumerate(slots) if slot.stored and not is_given(slot.access.array)]
        reduction = reduction_of(nest)
        contracts = reduction is not None and product_of(nest, reduction) is not None
        implementations = tuple(options.implementations[k] for k in kept)
        item = Item(
            tuple(self.number[slot.access.array] for slot in slots),
            tuple(choices[k] for k in kept),
            implementations.index(options.favourite),
            own[0] if own else None,
            follows=not any(slot.loaded for slot in slots),
            macs=prod(nest.extents) if contracts else 0,
        )
        return item, implementations

    def _options(self, nest: Nest) -> _Options:
        key = signature(nest)
        if key not in self.options:
            implementations = tuple(legal(nest, self.machine))
            times = tuple(engine_ns(nest, each, nest.extents, self.machine) for each in implementations)
            self.options[key] = _Options(implementations, choose(nest, self.machine), times)
        return self.options[key]

    def _choice(
        self,
        nest: Nest,
        slots: Sequence[Slot],
        chosen: Implementation,
        ns: float,
        known: Numbers,
    ) -> Choice:
        if loads_only(nest, slots):
            run = run_of(hull_of([slots[0].access], [nest]), slots[0].type.shape)
            run *= element_bytes(slots[0].type.element_type)
            return Choice(move_ns(footprint(slots[0], nest), run, self.machine), (ANY,) * len(slots))
        wants, copies, copied, dram = list[int](), 0, 0, 0
        for slot in slots:
            loop = lane_of_result(nest, chosen) if slot.stored else chosen.lane
            wanted = wanted_layout(slot, chosen, nest, self.machine)
            given = is_given(slot.access.array)
            if is_on_every_lane(slot, chosen) and not given:
                wanted = self.own_copies.number(slot, chosen.lane, nest, known)
            elif wanted == ANY:
                size, run = private_copy(slot, loop, nest, self.machine)
                ns += slot.passes * move_ns(size, run, self.machine)
                if given:
                    dram += slot.passes * (size - footprint(slot, nest))
                else:
                    ns += self.price * slot.passes * size
                    copies, copied = copies + slot.passes, copied + slot.passes * size
            elif given and slot.stored:
                ns += slot.passes * self._move(slot.type, hull_of([slot.access], [nest]), IN_DRAM, wanted).ns
                wanted = ANY
            wants.append(wanted)
        engine = "matrix" if chosen.kind == "contraction" else "vector"
        return Choice(ns, tuple(wants), engine, copies, copied, dram)

    def _kept(self, slots: Sequence[Slot], choices: Sequence[Choice], options: _Options) -> list[int]:
        """The choices but those that cost more than another one with all its relayouts.

        The favourite stays, and what is replicated: it saves its readers copies.
        """
        worst = [sum(map(self._most_ns, slots, choice.wants)) for choice in choices]
        bound = min(choice.ns + extra for choice, extra in zip(choices, worst, strict=True))
        return [
            k
            for k, (choice, each) in enumerate(zip(choices, options.implementations, strict=True))
            if choice.ns <= bound or each.replicated or each == options.favourite
        ]

    def _most_ns(self, slot: Slot, wanted: int) -> float:
        """No less than any move of what a slot accesses, wherever the array lies, into the layout wanted."""
        if wanted == ANY:
            return 0.0
        if is_own(wanted):
            return self.own_copies.numbered[wanted].from_lanes.ns
        key = (slot.type, wanted, slot.access.array in self.packed, is_given(slot.access.array))
        if key not in self.most:
            self.most[key] = self._most_of(slot, wanted)
        return slot.passes * self.most[key] + ELSEWHERE

    def _most_of(self, slot: Slot, wanted: int) -> float:
        shape, element = slot.type.shape, slot.type.element_type
        if is_given(slot.access.array):
            return self._move(slot.type, shape, ANY, max(0, slot.type.rank - 1), array=slot.access.array).ns
        size = prod(shape) * element_bytes(element)
        by_dma, moves = move_ns(size, element_bytes(element), self.machine), list[float]()
        for home in (ONE_LANE, *range(slot.type.rank)):
            lanes, rows = (1 if dim < 0 else shape[dim] for dim in (home, wanted))
            if home != wanted:
                moves.append(exchange_ns(lanes, rows, prod(shape) // (lanes * rows), element, self.machine))
        return min(by_dma, max(moves, default=by_dma)) + self.price * size

    def _array(self, array: ir.Value, items: Sequence[Item]) -> Array:
        name, type_ = array_name(array), ir.MemRefType(array.type)
        if is_given(array):
            return Array(name, (IN_DRAM,), (0.0,))
        number = self.number[array]
        homes = {
            wanted: None
            for item in items
            for slot, numbered in enumerate(item.slots)
            if numbered == number
            for choice in item.choices
            if fixes_home(wanted := choice.wants[slot])
        }
        size = size_of(array)
        fitting = [home for home in homes if home >= 0 or size <= self.machine.usable_bytes_per_lane]
        listed = sorted(fitting, key=lambda home: (home == REPLICATED, home)) or [largest_dim(type_.shape)]
        if name in self.pins.layouts:
            listed = [self._pinned_home(array, self.pins.layouts[name], size)]
        return Array(name, tuple(listed), tuple(self._waste(type_, home) for home in listed))

    def _pinned_home(self, array: ir.Value, home: int, size: int) -> int:
        owner, rank = producer(array), ir.MemRefType(array.type).rank
        assert owner is not None
        if home >= rank:
            raise UnmetPinError(owner, f"layout of '{array_name(array)}' is pinned to dimension {home} of {rank}")
        most = self.machine.usable_bytes_per_lane
        if home < 0 and size > most:
            where = "one lane" if home == ONE_LANE else "every lane"
            raise UnmetPinError(
                owner, f"'{array_name(array)}' is pinned to {where} and takes {size:,} bytes, a lane has {most:,}"
            )
        return home

    def _waste(self, type_: ir.MemRefType, home: int) -> float:
        lanes, *free = layout_of(home, self.machine).physical_shape(type_.shape)
        elements = prod(free) * self.machine.lanes - prod(type_.shape)
        return WASTE * elements * element_bytes(type_.element_type) if lanes else 0.0

    def _regions(self, items: Sequence[Item], arrays: Sequence[Array]) -> tuple[list[Item], tuple[Region, ...]]:
        """Regions of all slots: one for the readers of an array that is written before, else one for each slot."""
        members: list[list[tuple[int, int]]] = []
        shared: dict[int, int] = {}
        numbered: list[tuple[int, ...]] = []
        settled = self._settled()
        for number, (item, slots) in enumerate(zip(items, self.slots, strict=True)):
            own: list[int] = []
            for position, slot in enumerate(slots):
                array = item.slots[position]
                if slot.stored or array not in settled:
                    own.append(len(members))
                    members.append([])
                else:
                    if array not in shared:
                        shared[array] = len(members)
                        members.append([])
                    own.append(shared[array])
                members[own[-1]].append((number, position))
            numbered.append(tuple(own))
        regions = tuple(self._region(users, items, arrays) for users in members)
        return [replace(item, slots=own) for item, own in zip(items, numbered, strict=True)], regions

    def _settled(self) -> set[int]:
        """Arrays that are read only after the last nest that stores to them."""
        first_read: dict[int, int] = {}
        last_write: dict[int, int] = {}
        for position, slots in enumerate(self.slots):
            for slot in slots:
                array = self.number[slot.access.array]
                if slot.stored:
                    last_write[array] = position
                else:
                    first_read.setdefault(array, position)
        return {array for array, read in first_read.items() if last_write.get(array, -1) < read}

    def _region(self, users: Sequence[tuple[int, int]], items: Sequence[Item], arrays: Sequence[Array]) -> Region:
        item, position = users[0]
        array = items[item].slots[position]
        by_layout: dict[int, list[tuple[int, int]]] = {}
        for number, slot in users:
            for wanted in {choice.wants[slot] for choice in items[number].choices} - {ANY}:
                by_layout.setdefault(wanted, []).append((number, slot))
        moves: dict[int, dict[int, Move]] = {home: {} for home in arrays[array].homes}
        first = self.slots[item][position]
        for wanted, readers in sorted(by_layout.items()):
            hull = hull_of(
                [self.slots[number][slot].access for number, slot in readers], [self.nests[n] for n, _ in readers]
            )
            for home in moves:
                if is_own(wanted):
                    if home != REPLICATED:
                        moves[home][wanted] = self.own_copies.numbered[wanted].move(home)
                elif home != wanted and not (home == REPLICATED and wanted == ONE_LANE and not first.stored):
                    moves[home][wanted] = self._move(first.type, hull, home, wanted, first, self.arrays[array])
        return Region(array, moves)

    def _move(
        self,
        type_: ir.MemRefType,
        hull: Sequence[int],
        home: int,
        wanted: int,
        slot: Slot | None = None,
        array: ir.Value | None = None,
    ) -> Move:
        """Moving a part of that extent from one layout to another; ANY as home is the worst there is."""
        passes, late = (slot.passes, ELSEWHERE * slot.stored) if slot else (1, 0.0)
        element = element_bytes(type_.element_type)
        size = prod(hull) * element
        if array in self.packed:
            return Move(size / self.machine.dma.bytes_per_s * 1e9, dram=size)
        first = max(home, wanted) + 1
        run = element * (1 if home == ANY else run_of(hull[first:], type_.shape[first:]))
        ns = move_ns(size, run, self.machine)
        if home == IN_DRAM:
            return Move(ns, dram=size)
        if home == REPLICATED and slot is not None and slot.stored:
            size *= self.machine.lanes
            ns = move_ns(size, run, self.machine)
            if wanted == ONE_LANE:
                ns = min(ns, broadcast_ns(prod(hull), type_.element_type, self.machine))
        elif home != ANY:
            lanes, rows = (1 if dim < 0 else hull[dim] for dim in (home, wanted))
            others = prod(hull) // (lanes * rows)
            ns = min(ns, exchange_ns(lanes, rows, others, type_.element_type, self.machine))
        return Move(passes * (ns + self.price * size) + late, passes * size)


def layout_of(home: int, machine: Machine) -> Layout:
    """The layout that a home stands for."""
    if home == ONE_LANE:
        return Layout(None)
    return Layout(None if home == REPLICATED else home, machine.lanes)


def size_of(array: ir.Value) -> int:
    """Bytes of an array."""
    type_ = ir.MemRefType(array.type)
    return prod(type_.shape) * element_bytes(type_.element_type)
