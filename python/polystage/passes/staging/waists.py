"""Where long groups begin and end: where little lives from the nests before to those after (policy of ``stage``)."""

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from polystage.passes.staging.plan import Array


def waists(arrays: Iterable[Array], starts: Sequence[int], end: int) -> frozenset[int]:
    """Positions that no more bytes of intermediates cross than their neighbours, and the first and the last one.

    ``starts`` are the positions where a group may begin, ascending; ``end`` is the one after the last nest.
    """
    crossing = [0] * (end + 2)
    for array in arrays:
        if array.kind == "intermediate" and array.writes:
            crossing[array.writes[0] + 1] += array.bytes
            crossing[array.touched[-1] + 1] -= array.bytes
    crossing = list(accumulate(crossing))
    found = {*starts[:1], end}
    for before, (at, after) in zip(starts, pairwise(starts[1:]), strict=False):
        low = crossing[at] <= min(crossing[before], crossing[after])
        if low and crossing[at] < max(crossing[before], crossing[after]):
            found.add(at)
    return frozenset(found)
