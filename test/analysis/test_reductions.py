from collections.abc import Mapping, Sequence
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsing import nest_of

from polystage.analysis.nests import Linear, Load, Nest, Scalar
from polystage.analysis.reductions import product_of, recurrence, reduction_of, sequential

ARRAYS = """%a: memref<20x20xf32> {polystage.name = "a"}, %b: memref<20x20xbf16> {polystage.name = "b"},
  %c: memref<20x20xf32> {polystage.name = "c"}, %n: memref<20xi32> {polystage.name = "n"}"""


def nest(body: str, extents: str = "4 x 5 x 6") -> Nest:
    for array, type_ in (("a", "20x20xf32"), ("b", "20x20xbf16"), ("c", "20x20xf32"), ("n", "20xi32")):
        for bracket in ("]", "] "):
            body = body.replace(f"%{array}[", f"%{array} [").replace(f"{bracket}@{array}", f"] : memref<{type_}> ")
    return nest_of(body, extents, ARRAYS)


SUM = """
  %c0 = affine.load %c[%d0, %d1]@c
  %a0 = affine.load %a[%d0, %d2]@a
  {}
  affine.store %0, %c[%d0, %d1]@c"""


@pytest.mark.parametrize("total", ["%0 = arith.addf %c0, %a0 : f32", "%0 = arith.addf %a0, %c0 : f32"])
def test_a_reduction_has_its_accumulator_on_either_side(total: str) -> None:
    summed = nest(SUM.format(total))
    reduction = reduction_of(summed)
    assert reduction is not None
    assert reduction.combine == "arith.addf"
    assert summed.nodes[reduction.accumulator] == Load(summed.store.access, summed.nodes[0].type)
    assert isinstance(operand := summed.nodes[reduction.operand], Load)
    assert operand.access != summed.store.access
    assert summed.reduced == (2,)


@pytest.mark.parametrize(
    "total",
    [
        "%0 = arith.subf %a0, %c0 : f32",  # does not commute
        "%0 = arith.addf %c0, %c0 : f32",
        "%1 = arith.mulf %c0, %a0 : f32 %0 = arith.addf %c0, %1 : f32",  # the term depends on the sum so far
        "%1 = affine.load %c[%d1, %d0]@c %0 = arith.addf %c0, %1 : f32",
        "%1 = arith.addf %c0, %a0 : f32 %0 = math.exp %1 : f32",
    ],
)
def test_other_folds_are_no_reductions(total: str) -> None:
    assert reduction_of(nest(SUM.format(total))) is None


PRODUCT = """
  %c0 = affine.load %c[%d0, %d1]@c
  %a0 = affine.load %a[%d0, %d2]@a
  %b0 = affine.load %b[%d2, %d1]@b
  %b1 = arith.extf %b0 : bf16 to f32
  {}
  affine.store %0, %c[%d0, %d1]@c"""


def test_a_product_is_found_behind_casts() -> None:
    summed = nest(PRODUCT.format("%1 = arith.mulf %a0, %b1 : f32 %0 = arith.addf %c0, %1 : f32"))
    reduction = reduction_of(summed)
    assert reduction is not None
    found = product_of(summed, reduction)
    assert found is not None
    assert [type(summed.nodes[node]) for node in (found.lhs, found.rhs)] == [Load, Load]
    assert str(summed.nodes[found.rhs].type) == "bf16"


@pytest.mark.parametrize(
    "total",
    [
        "%1 = arith.mulf %a0, %b1 : f32 %0 = arith.maximumf %c0, %1 : f32",
        "%1 = arith.addf %a0, %b1 : f32 %0 = arith.addf %c0, %1 : f32",
        "%2 = math.exp %b1 : f32 %1 = arith.mulf %a0, %2 : f32 %0 = arith.addf %c0, %1 : f32",
    ],
)
def test_other_reductions_are_no_contractions(total: str) -> None:
    summed = nest(PRODUCT.format(total))
    reduction = reduction_of(summed)
    assert reduction is not None
    assert product_of(summed, reduction) is None


STEP = "%a0 = affine.load %a[%d0, %d1]@a %0 = arith.subf %a0, %c0 : f32"
ADD = "%a0 = affine.load %a[%d0, %d1]@a %0 = arith.addf %a0, %c0 : f32"
ORDERS: Mapping[str, tuple[str, set[int]]] = {
    "elementwise": (f"%c0 = affine.load %c[%d0, %d1]@c {STEP} affine.store %0, %c[%d0, %d1]@c", set()),
    "scan": (f"%c0 = affine.load %c[%d0, %d1]@c {STEP} affine.store %0, %c[%d0, %d1 + 1]@c", {1}),
    "reads what does not move": (f"%c0 = affine.load %c[%d0, 0]@c {STEP} affine.store %0, %c[%d0, %d1]@c", {1}),
    "skewed scan": (f"%c0 = affine.load %c[%d0 + %d1, %d1]@c {STEP} affine.store %0, %c[%d0 + %d1, %d1 + 1]@c", {0, 1}),
    "reversal": (f"%c0 = affine.load %c[-%d0 + 3, %d1]@c {STEP} affine.store %0, %c[%d0, %d1]@c", {0}),
    "sum": (f"%c0 = affine.load %c[%d0, 0]@c {ADD} affine.store %0, %c[%d0, 0]@c", set()),
    "fold": (f"%c0 = affine.load %c[%d0, 0]@c {STEP} affine.store %0, %c[%d0, 0]@c", set()),
    "fold of two loops": (f"%c0 = affine.load %c[0, 0]@c {STEP} affine.store %0, %c[0, 0]@c", {0}),
    "the last one stays": ("%0 = affine.load %a[%d0, %d1]@a affine.store %0, %c[0, 0]@c", {0}),
    "overlapping sums": (f"%c0 = affine.load %c[%d0 + %d1, 0]@c {ADD} affine.store %0, %c[%d0 + %d1, 0]@c", {0}),
    "overlapping folds": (f"%c0 = affine.load %c[%d0 + %d1, 0]@c {STEP} affine.store %0, %c[%d0 + %d1, 0]@c", {0, 1}),
    "digits": (f"%c0 = affine.load %c[%d0 * 5 - %d0 + %d1, 0]@c {ADD} affine.store %0, %c[%d0 * 5 + %d1, 0]@c", {0, 1}),
    "no overlap": ("%0 = affine.load %a[%d0, %d1]@a affine.store %0, %c[%d0 + %d1, %d0]@c", set()),
    "beside": (f"%c0 = affine.load %c[%d0, %d1]@c {STEP} affine.store %0, %c[%d0 + 3, %d1]@c", set()),
    "between": (f"%c0 = affine.load %c[%d0 * 2, %d1]@c {STEP} affine.store %0, %c[%d0 * 2 + 1, %d1]@c", set()),
    "sums of another part": (
        "%c0 = affine.load %c[%d0, 0]@c %c1 = affine.load %c[%d0, %d1 + 1]@c "
        "%0 = arith.addf %c0, %c1 : f32 affine.store %0, %c[%d0, 0]@c",
        set(),
    ),
    "gathers what it stores": (
        "%n0 = affine.load %n[%d0]@n %i = arith.index_cast %n0 : i32 to index "
        "%0 = memref.load %c[%i, %d1] : memref<20x20xf32> affine.store %0, %c[%d0, %d1]@c",
        {0, 1},
    ),
    "scatters": (
        "%n0 = affine.load %n[%d0]@n %i = arith.index_cast %n0 : i32 to index "
        "%0 = affine.load %a[%d0, %d1]@a memref.store %0, %c[%i, %d1] : memref<20x20xf32>",
        set(),
    ),
    "scatters and reads": (
        "%n0 = affine.load %n[%d0]@n %i = arith.index_cast %n0 : i32 to index "
        "%0 = affine.load %c[%d0, %d1]@c memref.store %0, %c[%i, %d1] : memref<20x20xf32>",
        {0, 1},
    ),
}


@pytest.mark.parametrize("case", ORDERS)
def test_loops_that_keep_their_order(case: str) -> None:
    body, loops = ORDERS[case]
    assert sequential(nest(body, "3 x 5")) == loops


def test_a_fold_is_no_recurrence() -> None:
    assert recurrence(nest(ORDERS["fold of two loops"][0], "3 x 5")) == set()
    assert recurrence(nest(ORDERS["scan"][0], "3 x 5")) == {1}


def value(index: Linear, point: Sequence[int]) -> int:
    return index.const + sum(factor * x for factor, x in zip(index.dims, point, strict=True))


def run(fold: Nest, points: Sequence[Sequence[int]], commutes: bool) -> dict[tuple[int, ...], int]:
    """What the array holds after the points in this order; every element starts as 1."""
    loads = [access.indices for access in fold.loads if access.array == fold.store.array]
    memory: dict[tuple[int, ...], int] = {}
    for point in points:
        old = sum(memory.get(tuple(value(index, point) for index in load), 1) for load in loads)
        term = sum(x * 7**k for k, x in enumerate(point)) + 1
        target = tuple(value(index, point) for index in fold.store.access.indices)
        memory[target] = old + term if commutes else 3 * old + term
    return memory


INDEX = st.sampled_from(["%d0", "%d1", "%d2", "%d0 + %d1", "%d1 + %d2", "%d0 * 2 + %d2", "%d0 + 1", "-%d1 + 2", "0"])


@given(
    st.tuples(INDEX, INDEX), st.tuples(INDEX, INDEX), st.booleans(), st.booleans(), st.randoms(use_true_random=False)
)
def test_other_loops_may_take_any_order(
    store: tuple[str, str], load: tuple[str, str], same: bool, commutes: bool, random: Random
) -> None:
    load = store if same else load
    body = f"%c0 = affine.load %c[{', '.join(load)}]@c %a0 = affine.load %a[%d0, %d1]@a"
    body += f" %0 = arith.{'addf' if commutes else 'subf'} %a0, %c0 : f32 affine.store %0, %c[{', '.join(store)}]@c"
    fold = nest(body, "2 x 3 x 3")
    assert isinstance(fold.nodes[fold.store.value], Scalar)
    # steps of a fold run in order inside the innermost reduced loop, whatever the others do
    last = frozenset[int]() if reduction_of(fold) is not None else frozenset(fold.reduced[-1:])
    kept = sorted(sequential(fold) | last)
    points = list(product(*map(range, fold.extents)))
    others = [k for k in range(3) if k not in kept]
    shuffled = {key: random.random() for key in product(range(3), repeat=len(others))}
    inside = sorted(points, key=lambda p: ([p[k] for k in kept], shuffled[tuple(p[k] for k in others)]))
    outside = sorted(points, key=lambda p: (shuffled[tuple(p[k] for k in others)], [p[k] for k in kept]))
    commutes = reduction_of(fold) is not None
    assert run(fold, inside, commutes) == run(fold, points, commutes) == run(fold, outside, commutes)
