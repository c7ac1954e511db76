from collections.abc import Sequence

import pytest
from sweeping import check, group, name_of, nests

from polystage.analysis.groups import Tile
from polystage.analysis.sweeps import Sweep, sweep
from polystage.analysis.swept_nests import Level


def swept(
    program: Sequence[Nest],
    *live_out: str,
    tiles: Sequence[Tile],
    sink: int | None = None,
    live_in: Sequence[str] = (),
) -> Sweep:
    found = sweep(group(program, *live_out, sink=sink, live_in=live_in), tiles)
    assert isinstance(found, Sweep), found
    check(found)
    return found


def conv_chain() -> list[Nest]:
    """Two convolutions 3x3 with borders."""
    return nests(
        {"x": "2x10x10", "p": "2x10x10", "q": "2x8x8", "w": "2x2x3x3", "r": "2x6x6", "y": "2x8x8", "v": "2x2x3x3"},
        "2x8x8: q[d0, d1, d2] =",
        "2x8x8x2x3x3: q[d0, d1, d2] += x[d3, d1 + d4, d2 + d5], w[d0, d3, d4, d5]",
        "2x8x8: p[d0, d1 + 1, d2 + 1] = q[d0, d1, d2]",
        "2x10: p[d0, 0, d1] =",
        "2x10: p[d0, 9, d1] =",
        "2x8: p[d0, d1 + 1, 0] =",
        "2x8: p[d0, d1 + 1, 9] =",
        "2x8x8: y[d0, d1, d2] =",
        "2x8x8x2x3x3: y[d0, d1, d2] += p[d3, d1 + d4, d2 + d5], v[d0, d3, d4, d5]",
    )


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_rows_of_a_chain_of_convolutions_slide(size: int) -> None:
    found = swept(conv_chain(), "y", tiles=[Tile(1, size)])
    assert found.repeated == 0
    windows = {name_of(array): window for array, window in found.windows.items()}
    if size < 3:
        assert windows["p"].extents == (2, size + 2, 10)
        assert windows["p"].level == Level.STEP
