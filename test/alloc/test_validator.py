"""The validator names every law that a packing breaks; it agrees with a check of all pairs."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from polystage.alloc import Buffer, Problem, Solution, validate

PROBLEM = Problem(
    16,
    (Buffer("a", 0, 4, 8, 4), Buffer("b", 2, 6, 8), Buffer("c", 4, 8, 4, pin=0)),
)


def laws(**offsets: int) -> list[str]:
    return [violation.law for violation in validate(PROBLEM, Solution(offsets))]


def test_a_packing() -> None:
    assert laws(a=0, b=8, c=0) == []


def test_overlap() -> None:
    (violation,) = validate(PROBLEM, Solution({"a": 4, "b": 8, "c": 0}))
    assert str(violation) == "overlap: buffers a at [4, 12) and b at [8, 16) are both live at time 2"


def test_touching_in_space_or_time_is_no_overlap() -> None:
    assert laws(a=0, b=8, c=0) == []
    assert validate(Problem(8, (Buffer("a", 0, 4, 8), Buffer("b", 4, 8, 8))), Solution({"a": 0, "b": 0})) == ()


def test_capacity() -> None:
    assert laws(a=0, b=9, c=0) == ["capacity"]
    assert laws(a=-4, b=8, c=0) == ["capacity"]


def test_alignment() -> None:
    assert laws(a=2, b=10, c=0) == ["alignment", "capacity"]


def test_pin() -> None:
    (violation,) = validate(PROBLEM, Solution({"a": 0, "b": 8, "c": 4}))
    assert str(violation) == "pin: buffer c is at 4, pinned at 0"


def test_missing() -> None:
    (violation,) = validate(PROBLEM, Solution({"a": 0, "b": 8}))
    assert str(violation) == "missing: buffer c has no offset"


PLACED = st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 6), st.integers(0, 12))


@given(st.lists(PLACED, max_size=8))
def test_overlaps_against_all_pairs(placed: list[tuple[int, int, int, int]]) -> None:
    made = tuple(Buffer(f"b{i}", low, low + life, size) for i, (low, life, size, _) in enumerate(placed))
    offsets = {f"b{i}": offset for i, (*_, offset) in enumerate(placed)}
    expected = sum(
        bool(
            set(range(a.lower, a.upper)) & set(range(b.lower, b.upper))
            and set(range(offsets[a.name], offsets[a.name] + a.size))
            & set(range(offsets[b.name], offsets[b.name] + b.size))
        )
        for a, b in combinations(made, 2)
    )
    found = [each.law for each in validate(Problem(100, made), Solution(offsets))]
    assert found == ["overlap"] * expected
