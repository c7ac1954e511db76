"""A bound on the work that isl may do: a bound hit is a reported refusal, never a hang."""

from collections.abc import Generator
from contextlib import contextmanager

import islpy as isl

CONTEXT = isl.DEFAULT_CONTEXT
"""The isl context of every object of this package; isl objects of two contexts cannot meet."""


class OperationBoundError(Exception):
    """isl needed more operations than :func:`bounded` allowed; the question is left open."""


@contextmanager
def bounded(operations: int) -> Generator[None]:
    """Allow at most ``operations`` isl operations inside the block (10^6 take about 0.1 s).

    The inner of two nested blocks counts alone, and the outer one starts anew after it.

    Raises:
        OperationBoundError: the bound was hit.
    """
    outer = CONTEXT.get_max_operations()
    CONTEXT.reset_operations()
    CONTEXT.set_max_operations(operations)
    try:
        yield
    except isl.Error as error:
        if "maximal number of operations" in str(error):
            raise OperationBoundError(f"a polyhedral question needs more than {operations:,} isl operations") from error
        raise
    finally:
        CONTEXT.set_max_operations(outer)
        CONTEXT.reset_operations()
