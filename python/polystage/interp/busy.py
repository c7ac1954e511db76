"""Intervals of time, kept while a program is played: small enough for millions of instructions, measured at the end."""

from array import array
from collections.abc import Sequence

import numpy as np


class Intervals:
    """Intervals whose beginnings ascend; those that touch are kept as one."""

    def __init__(self) -> None:
        self.begins = array("d")
        self.ends = array("d")
        self._end = -1.0

    def add(self, begin: float, end: float) -> None:
        """One more interval."""
        if begin > self._end:
            self.begins.append(begin)
            self.ends.append(end)
        elif end > self._end:
            self.ends[-1] = end
        else:
            return
        self._end = end


def covered(sets: Sequence[Intervals]) -> float:
    """Length of the union of all intervals."""
    begins = np.concatenate([np.frombuffer(one.begins, np.float64) for one in sets])
    ends = np.concatenate([np.frombuffer(one.ends, np.float64) for one in sets])
    if not len(begins):
        return 0.0
    order = np.argsort(begins, kind="stable")
    begins, ends = begins[order], np.maximum.accumulate(ends[order])
    after = np.maximum(begins, np.concatenate([[0.0], ends[:-1]]))
    return float(np.maximum(ends - after, 0.0).sum())
