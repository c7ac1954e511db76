"""Elements that nests write of an array, against their enumeration."""

from collections.abc import Sequence
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from sweeping import nests

from polystage.analysis.coverage import written_by
from polystage.analysis.nests import Nest
from polystage.analysis.swept_nests import swept_nest


def enumerated(program: Sequence[Nest]) -> int:
    return len(
        {
            tuple(
                index.const + sum(f * at for f, at in zip(index.dims, point, strict=True))
                for index in nest.store.access.indices
            )
            for nest in program
            for point in product(*map(range, nest.extents))
        }
    )


@st.composite
def stores(draw: st.DrawFn) -> str:
    """A fill of every index, of each second or third one, or of two by two, along each of two dimensions."""
    extents: list[int] = []
    indices: list[str] = []
    for _ in range(2):
        first, count, step = draw(st.integers(0, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
        text = f"{step}*d{len(extents)} + {first}"
        extents.append(count)
        if draw(st.booleans()):
            text += f" + d{len(extents)}"
            extents.append(2)
        indices.append(text)
    return f"{'x'.join(map(str, extents))}: a[{', '.join(indices)}] ="


@given(st.lists(stores(), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_elements_of_several_nests_are_counted_once(lines: list[str]) -> None:
    program = nests({"a": "16x16"}, *lines)
    assert written_by([swept_nest(nest) for nest in program]) == enumerated(program)


def test_elements_in_doubt_are_left_out() -> None:
    program = nests({"a": "4x4"}, "4: a[d0, d0] =", "2x2: a[d0, d1] =")
    assert written_by([swept_nest(nest) for nest in program]) == 4
