"""From nests to the problem of bank mapping: slots, choices with their costs, regions, homes.

What an access wants follows from the loop that the implementation puts on its lanes. Where that loop runs along one
dimension of the array, one element an iteration, from legal start lanes, the access wants this dimension across the
lanes. Every other access is served by a private copy whose cost belongs to the choice.

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
from polystage.analysis.implementation import Implementation
from polystage.analysis.layouts import Layout
from polystage.analysis.nests import Nest, signature
from polystage.analysis.reductions import product_of, reduction_of
from polystage.analysis.tiling import lane_of_result
from polystage.analysis.values import array_name, producer
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine
from polystage.passes._banks_candidates import choose, legal
from polystage.passes._banks_problem import ANY, IN_DRAM, ONE_LANE, Array, Choice, Item, Move, Problem, Region
from polystage.passes._banks_slots import (
    Slot,
    footprint,
    hull_of,
    is_given,
    is_packed,
    loads_only,
    private_copy,
    run_of,
    slots_of,
    wanted_layout,
)
from polystage.passes._banks_strategy import Pins

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
        self.packed = {array for array in self.arrays if is_given(array) and is_packed(array)}

    def graph(self) -> Graph:
        items, implementations = list[Item](), list[tuple[Implementation, ...]]()
        for name, nest, slots in zip(self.names, self.nests, self.slots, strict=True):
            item, chosen = self._item(nest, slots, self.pins.implementations.get(name))
            items.append(item)
            implementations.append(chosen)
        arrays = tuple(self._array(array, items) for array in self.arrays)
        items, regions = self._regions(items, arrays)
        problem = Problem(arrays, regions, tuple(items))
        return Graph(
            problem, tuple(self.nests), self.names, tuple(self.slots), tuple(implementations), tuple(self.arrays)
        )

    def _item(
        self, nest: Nest, slots: Sequence[Slot], pin: Implementation | None
    ) -> tuple[Item, tuple[Implementation, ...]]:
        """The nest with the numbers of its arrays for regions, for now."""
        options = self._options(nest) if pin is None else _pinned(nest, pin, self.machine)
        choices = [
            self._choice(nest, slots, each, ns)
            for each, ns in zip(options.implementations, options.engine_ns, strict=True)
        ]
        kept = self._kept(slots, choices, options.implementations.index(options.favourite))
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

    def _choice(self, nest: Nest, slots: Sequence[Slot], chosen: Implementation, ns: float) -> Choice:
        if loads_only(nest, slots):
            run = run_of(hull_of([slots[0].access], [nest]), slots[0].type.shape)
            run *= element_bytes(slots[0].type.element_type)
            return Choice(move_ns(footprint(slots[0], nest), run, self.machine), (ANY,) * len(slots))
        wants, copies, copied, dram = list[int](), 0, 0, 0
        lanes = [each for each in (chosen.lane, chosen.rows) if each is not None]
        for slot in slots:
            loop = lane_of_result(nest, chosen) if slot.stored else chosen.lane
            wanted = wanted_layout(slot, loop, lanes, nest, self.machine)
            given = is_given(slot.access.array)
            if wanted == ANY:
                size, run = private_copy(slot, loop, nest, self.machine)
                ns += slot.passes * self._copy_ns(slot, loop, nest, size, run)
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

    def _copy_ns(self, slot: Slot, loop: int | None, nest: Nest, size: int, run: int) -> float:
        """Time of a private copy: by DMA, or what every lane needs and is on chip by products with a one."""
        ns = move_ns(size, run, self.machine)
        if loop is None or loop in slot.access.support or is_given(slot.access.array):
            return ns
        element = slot.type.element_type
        lanes = min(nest.extents[loop], self.machine.lanes)
        return min(ns, broadcast_ns(size // lanes // element_bytes(element), element, self.machine))

    def _kept(self, slots: Sequence[Slot], choices: Sequence[Choice], favourite: int) -> list[int]:
        """The choices but those that cost more than another one with all its relayouts; the favourite stays."""
        worst = [
            sum(
                slot.passes * self._move(slot.type, slot.type.shape, ANY, max(0, slot.type.rank - 1)).ns
                for slot, wanted in zip(slots, choice.wants, strict=True)
                if wanted != ANY
            )
            for choice in choices
        ]
        bound = min(choice.ns + extra for choice, extra in zip(choices, worst, strict=True))
        return [k for k, choice in enumerate(choices) if choice.ns <= bound or k == favourite]

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
            if (wanted := choice.wants[slot]) != ANY
        }
        size = prod(type_.shape) * element_bytes(type_.element_type)
        fitting = [home for home in homes if home != ONE_LANE or size <= self.machine.usable_bytes_per_lane]
        listed = sorted(fitting) or [largest_dim(type_.shape)]
        if name in self.pins.layouts:
            listed = [self._pinned_home(array, self.pins.layouts[name], size)]
        return Array(name, tuple(listed), tuple(self._waste(type_, home) for home in listed))

    def _pinned_home(self, array: ir.Value, home: int, size: int) -> int:
        owner, rank = producer(array), ir.MemRefType(array.type).rank
        assert owner is not None
        if home >= rank:
            raise UnmetPinError(owner, f"layout of '{array_name(array)}' is pinned to dimension {home} of {rank}")
        most = self.machine.usable_bytes_per_lane
        if home == ONE_LANE and size > most:
            raise UnmetPinError(
                owner, f"'{array_name(array)}' is pinned to one lane and takes {size:,} bytes, a lane has {most:,}"
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
                if home != wanted:
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
        if home != ANY:
            lanes, rows = (1 if dim == ONE_LANE else hull[dim] for dim in (home, wanted))
            others = prod(hull) // (lanes * rows)
            ns = min(ns, exchange_ns(lanes, rows, others, type_.element_type, self.machine))
        return Move(passes * (ns + self.price * size) + late, passes * size)


def layout_of(home: int, machine: Machine) -> Layout:
    """The layout that a home stands for."""
    return Layout(None) if home == ONE_LANE else Layout(home, machine.lanes)


def largest_dim(shape: Sequence[int]) -> int:
    """The first of the largest dimensions; one lane for a single element."""
    return max(range(len(shape)), key=lambda k: shape[k]) if prod(shape) > 1 else ONE_LANE
