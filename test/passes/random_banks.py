"""Random small bank-mapping problems, and their optimum by enumeration."""

from itertools import product

from hypothesis import strategies as st

from polystage.passes.banks.problem import (
    ANY,
    IN_DRAM,
    REPLICATED,
    Array,
    Assignment,
    Choice,
    Item,
    Move,
    Problem,
    Region,
)

LAYOUTS = (REPLICATED, -1, 0, 1)
OWN = 2  # copies of its own that a nest may want of each region


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Up to four arrays with up to three homes and five nests with up to three choices, some relayouts shared."""
    times = st.integers(0, 20).map(float)
    arrays = tuple(
        Array(f"t{k}", homes, tuple(draw(times) / 10 for _ in homes))
        for k in range(draw(st.integers(1, 4)))
        for homes in [draw(st.sampled_from([(IN_DRAM,), (0,), (0, 1), LAYOUTS, (-1, 1), (-1, REPLICATED)]))]
    )
    regions: list[Region] = []
    for array in [*range(len(arrays)), *draw(st.lists(st.integers(0, len(arrays) - 1), max_size=4))]:
        moves = {
            home: {wanted: Move(draw(times), 4, 2) for wanted in LAYOUTS if wanted != home}
            | {wanted: Move(draw(times), 32) for wanted in own_copies(len(regions)) if home != REPLICATED}
            for home in arrays[array].homes
        }
        regions.append(Region(array, moves))
    items = tuple(draw(_items(len(regions))) for _ in range(draw(st.integers(1, 5))))
    return Problem(arrays, tuple(regions), items)


def own_copies(region: int) -> range:
    """The numbers of copies that nests make for themselves of what is not on every lane."""
    last = REPLICATED - 1 - OWN * region
    return range(last, last - OWN, -1)


@st.composite
def _items(draw: st.DrawFn, regions: int) -> Item:
    slots = tuple(draw(st.lists(st.integers(0, regions - 1), min_size=1, max_size=3)))
    wants = st.tuples(*(st.sampled_from((ANY, *LAYOUTS, *own_copies(region))) for region in slots))
    engines = st.sampled_from(("matrix", "vector"))
    choices = tuple(
        Choice(float(draw(st.integers(0, 30))), draw(wants), draw(engines)) for _ in range(draw(st.integers(1, 3)))
    )
    written = draw(st.sampled_from((None, len(slots) - 1)))
    favourite, macs = draw(st.integers(0, len(choices) - 1)), draw(st.sampled_from((0, 0, 10, 20)))
    return Item(slots, choices, favourite, written, follows=draw(st.booleans()), macs=macs)


def optimum(problem: Problem) -> float:
    """The least cost of all assignments, by trying each."""
    homes = product(*(range(len(array.homes)) for array in problem.arrays))
    choices = list(product(*(range(len(item.choices)) for item in problem.items)))
    return min(problem.cost(Assignment(home, choice)) for home in homes for choice in choices)
