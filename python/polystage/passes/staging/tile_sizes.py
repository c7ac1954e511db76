"""Chooses tile sizes and the order of tile loops for one nest (policy of ``stage``).

Two greedy walks, from the whole nest downwards and from the smallest tile upwards, each improved by exchanges (one
loop larger, another smaller) until no exchange lowers the modelled time. Deterministic; a few hundred evaluations of
the cost function for a nest that does not fit, one for a nest that does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, prod

from torch_mlir import ir

from polystage.analysis.costs import nest_ns
from polystage.analysis.tiling import NestTiling, TileBuffer, depth_of
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine

MAX_EXCHANGES = 64  # bound on improvement steps, far above what nests of the zoo take


@dataclass(frozen=True)
class Choice:
    """Tile sizes by loop, order of tile loops outermost first, modelled time in ns."""

    sizes: tuple[int, ...]
    order: tuple[int, ...]
    ns: float


def smallest(tiling: NestTiling) -> list[int]:
    """The smallest tile: one iteration, one block of lanes."""
    return [
        extent if loop in tiling.whole else min(extent, tiling.blocks.get(loop, 1))
        for loop, extent in enumerate(tiling.nest.extents)
    ]


def choose(tiling: NestTiling, machine: Machine, room: int) -> Choice:
    """The fastest tiling found that fits into ``room`` bytes of each lane; the smallest tile has to."""
    search = _Search(tiling, machine, room)
    whole = [1 if loop in tiling.single else extent for loop, extent in enumerate(tiling.nest.extents)]
    if search.fits(whole):
        return search.choice(whole)
    starts = (search.shrink(whole), search.grow(smallest(tiling)))
    return min((search.improve(start) for start in starts), key=lambda choice: choice.ns)


class _Search:
    """The walk over tile sizes of one nest; remembers the cost of what it has seen."""

    def __init__(self, tiling: NestTiling, machine: Machine, room: int) -> None:
        self.tiling, self.machine, self.room = tiling, machine, room
        self.orders = list(orders(tiling))
        self.seen: dict[tuple[int, ...], Choice] = {}

    def fits(self, sizes: Sequence[int]) -> bool:
        return self.tiling.demand(sizes) <= self.room

    def choice(self, sizes: Sequence[int]) -> Choice:
        key = tuple(sizes)
        if key not in self.seen:
            times = [(nest_ns(self.tiling, key, order, self.machine), order) for order in self.orders]
            ns, order = min(times, key=lambda each: each[0])
            self.seen[key] = Choice(key, order, ns)
        return self.seen[key]

    def changed(self, sizes: Sequence[int], loop: int, *, larger: bool) -> list[int] | None:
        """The next size of one loop, None at the end of the range."""
        step = next_larger if larger else next_smaller
        size = step(self.tiling, loop, sizes[loop])
        return None if size == sizes[loop] else [size if k == loop else s for k, s in enumerate(sizes)]

    def shrink(self, sizes: list[int]) -> list[int]:
        """Make the tile smaller until it fits, each step the one that costs least time per byte freed."""
        demand = self.tiling.demand(sizes)
        while demand > self.room:
            before = self.choice(sizes).ns
            steps = [
                ((self.choice(smaller).ns - before) / freed, loop, smaller)
                for loop in range(len(sizes))
                if (smaller := self.changed(sizes, loop, larger=False)) is not None
                and (freed := demand - self.tiling.demand(smaller)) > 0
            ]
            if not steps:
                return smallest(self.tiling)
            sizes = min(steps)[2]
            demand = self.tiling.demand(sizes)
        return sizes

    def grow(self, sizes: list[int]) -> list[int]:
        """Make the tile larger while it fits, each step the one that saves most time."""
        while True:
            larger = [self.changed(sizes, loop, larger=True) for loop in range(len(sizes))]
            fitting = [each for each in larger if each is not None and self.fits(each)]
            best = min(fitting, key=lambda each: self.choice(each).ns, default=sizes)
            if self.choice(best).ns >= self.choice(sizes).ns:
                return sizes
            sizes = best

    def improve(self, sizes: list[int]) -> Choice:
        """Exchange: one loop larger, another smaller until it fits, while that saves time."""
        current = self.choice(sizes)
        for _ in range(MAX_EXCHANGES):
            best = min(map(self.choice, self.exchanges(current.sizes)), key=lambda each: each.ns, default=current)
            if best.ns >= current.ns:
                break
            current = best
        return current

    def exchanges(self, sizes: Sequence[int]) -> Iterator[list[int]]:
        for loop in range(len(sizes)):
            larger = self.changed(sizes, loop, larger=True)
            if larger is None:
                continue
            if self.fits(larger):
                yield larger
            for other in range(len(sizes)):
                traded = larger if other != loop else None
                while traded is not None and not self.fits(traded):
                    traded = self.changed(traded, other, larger=False)
                if traded is not None:
                    yield traded


def next_smaller(tiling: NestTiling, loop: int, size: int) -> int:
    """About half of a tile size: whole blocks of lanes, else a divisor of the extent when one is near."""
    block = tiling.blocks.get(loop, 1)
    if loop in tiling.whole:
        return size
    if block > 1:
        return ceil(ceil(size / block) / 2) * block if size > block else size
    half = ceil(size / 2)
    extent = tiling.nest.extents[loop]
    return next((d for d in range(half, max(1, half // 2), -1) if extent % d == 0), half)


def next_larger(tiling: NestTiling, loop: int, size: int) -> int:
    """About twice a tile size: whole blocks of lanes, else a divisor of the extent when one is near."""
    extent = tiling.nest.extents[loop]
    if size >= extent or loop in tiling.single:
        return size
    block = tiling.blocks.get(loop, 1)
    if block > 1:
        return min(extent, 2 * ceil(size / block) * block)
    twice = min(extent, 2 * size)
    return next((d for d in range(twice, size, -1) if extent % d == 0), twice)


def orders(tiling: NestTiling) -> Iterator[tuple[int, ...]]:
    """Orders of tile loops worth trying: reductions innermost, and for each buffer the loops that keep it in place.

    Loops that have to run in program order do, next to the reductions.
    """
    nest = tiling.nest
    loops = range(len(nest.extents))
    sequential = [loop for loop in loops if loop in tiling.single]
    reduced = [loop for loop in loops if loop not in nest.parallel and loop not in tiling.single]
    parallel = [loop for loop in loops if loop in nest.parallel and loop not in tiling.single]
    held = dict.fromkeys([frozenset[int](), *(buffer.loops for buffer in tiling.buffers)])
    yield from dict.fromkeys(
        (*(d for d in parallel if d in loops), *(d for d in parallel if d not in loops), *sequential, *reduced)
        for loops in held
    )


def moved_bytes(tiling: NestTiling, choice: Choice, on_chip: frozenset[ir.Value]) -> dict[ir.Value, int]:
    """Bytes of each array that the transfers of a nest's tiles move in DRAM."""
    found: dict[ir.Value, int] = {}
    for buffer, moved in tile_transfers(tiling, choice, on_chip):
        found[buffer.access.array] = found.get(buffer.access.array, 0) + moved
    return found


def tile_transfers(tiling: NestTiling, choice: Choice, on_chip: frozenset[ir.Value]) -> list[tuple[TileBuffer, int]]:
    """Bytes that the transfers of each tile buffer move in DRAM."""
    trips = [ceil(extent / size) for extent, size in zip(tiling.nest.extents, choice.sizes, strict=True)]
    found: list[tuple[TileBuffer, int]] = []
    for buffer in tiling.buffers:
        if buffer.access.array not in on_chip:
            times = prod(trips[loop] for loop in choice.order[: depth_of(buffer.loops, trips, choice.order)])
            moved = buffer.elements(choice.sizes, tiling.blocks) * element_bytes(buffer.element)
            found.append((buffer, times * (buffer.loaded + buffer.stored) * moved))
    return found
