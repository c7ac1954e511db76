"""The minimalloc CSV form, and nonsense in it."""

import pytest

from polystage.alloc import Buffer, Problem, Solution, problem_from_csv, solution_from_csv, to_csv
from polystage.errors import UserError

PLAIN = Problem(12, (Buffer("a", 0, 3, 4), Buffer("b", 3, 9, 4)))
RICH = Problem(64, (Buffer("a", 0, 3, 4, 16), Buffer("b", 3, 9, 4, 16, pin=32)))
HEIRS = Problem(64, (Buffer("a", 0, 3, 4), Buffer("b", 2, 9, 4, reuses="a")))


def test_plain_columns() -> None:
    assert to_csv(PLAIN) == "id,lower,upper,size\na,0,3,4\nb,3,9,4\n"


@pytest.mark.parametrize("problem", [PLAIN, RICH, HEIRS])
def test_round_trip(problem: Problem) -> None:
    assert problem_from_csv(to_csv(problem), problem.capacity) == problem


def test_with_offsets() -> None:
    solution = Solution({"a": 16, "b": 32})
    text = to_csv(RICH, solution)
    assert text.splitlines()[0] == "id,lower,upper,size,alignment,pin,offset"
    assert problem_from_csv(text, 64) == RICH
    assert solution_from_csv(text).offsets == solution.offsets


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,lower,size\n", "mine.csv:1: error: no column upper; expected id,lower,upper,size[,offset]"),
        ("id,lower,upper,size\na,0,1,4\nb,0,x,4\n", "mine.csv:3: error: column upper: expected an integer, got 'x'"),
        ("id,lower,upper,size\na,0\n", "mine.csv:2: error: column upper: expected an integer, got ''"),
        ("id,lower,upper,size\na,0,1,4\na,0,1,4\n", "error: buffer a: the name is taken by another buffer"),
        ("id,lower,upper,size\na,2,1,4\n", "error: buffer a: lives from 2 to 1, which is before it"),
        ("id,lower,upper,size\na,0,1,-4\n", "error: buffer a: size must be at least 0, got -4"),
        ("id,lower,upper,size,alignment\na,0,1,4,0\n", "error: buffer a: alignment must be at least 1, got 0"),
        ("id,lower,upper,size,pin\na,0,1,4,-1\n", "error: buffer a: is pinned at -1, which is below 0"),
        (
            "id,lower,upper,size,alignment,pin\na,0,1,4,4,2\n",
            "error: buffer a: is pinned at 2, which is not a multiple of its alignment, 4",
        ),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        problem_from_csv(text, 10, "mine.csv")
    assert str(caught.value) == message


def test_no_offsets() -> None:
    with pytest.raises(UserError, match="column offset: expected an integer, got ''"):
        solution_from_csv("id,lower,upper,size\na,0,1,4\n")
