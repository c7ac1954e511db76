"""The matrix engine: ``dst[M, N] (+)= sum over K of stationary[K, M] * moving[K, N]`` in fp32, by BLAS on the views.

BLAS takes a matrix as it lies when its rows or its columns are contiguous and evenly spaced. So the stationary operand
is fetched as [M, K], which costs nothing; the moving one as [K, N] where its free dimensions lie evenly, and copied
otherwise (the windows of a convolution).
"""

from collections.abc import Callable, Sequence

import numpy as np

from polystage.dialects.npu import Instruction
from polystage.interp.access import Access
from polystage.interp.core import Decoder
from polystage.interp.memory import Array
from polystage.interp.plans import Compute, Plan, Planners, Use
from polystage.interp.scalars import FLOAT


def matmul(_decoder: Decoder, instruction: Instruction, _elements: Sequence[str]) -> Plan:
    """``matmul``, with several moving dimensions flattened into one."""
    free = range(2, len(instruction.sizes))
    stationary, moving = Use(1, (1, 0)), Use(2, (0, *free))
    before, after = Use(0, (1, *free)), Use(0, (1, *free), write=True)
    if instruction.accumulate:
        return Plan((stationary, moving, before, after), _accumulating(_copied, _flat_copy), _tune)
    return Plan((stationary, moving, after), _overwriting(_copied, _flat_copy, direct=False), _tune)


def _tune(accesses: Sequence[Access]) -> Compute:
    """The function for operands that lie like these."""
    stationary, moving, *_, target = accesses
    even, direct = moving.flatten(), target.flatten() and target.strides[1] == FLOAT.itemsize
    left = _as_it_lies if _takes(stationary, contiguous=0) else _copied
    right = (_as_it_lies if _takes(moving, contiguous=1) else _copied) if even else _flat_copy
    if len(accesses) == 4:
        accesses[2].flatten()
        return _accumulating(left, right)
    return _overwriting(left, right, direct)


def _takes(access: Access, contiguous: int) -> bool:
    """Whether BLAS takes the view: dimension ``contiguous`` without gaps, the other at least as far apart."""
    size = FLOAT.itemsize
    step, pitch = access.strides[contiguous], access.strides[1 - contiguous]
    return access.buffer.dtype == FLOAT and step == size and pitch >= access.shape[contiguous] * size


_Prepare = Callable[[Array], Array]


def _overwriting(left: _Prepare, right: _Prepare, direct: bool) -> Compute:
    def direct_product(stationary: Array, moving: Array, target: Array) -> None:
        np.matmul(left(stationary), right(moving), target)

    def product(stationary: Array, moving: Array, target: Array) -> None:
        target[...] = np.matmul(left(stationary), right(moving)).reshape(target.shape)

    return direct_product if direct else product


def _accumulating(left: _Prepare, right: _Prepare) -> Compute:
    def flat_sum(stationary: Array, moving: Array, _before: Array, target: Array) -> None:
        np.add(target, np.matmul(left(stationary), right(moving)).reshape(target.shape), target)

    return flat_sum


def _as_it_lies(matrix: Array) -> Array:
    return matrix


def _copied(matrix: Array) -> Array:
    return matrix.astype(FLOAT, order="C")


def _flat_copy(windows: Array) -> Array:
    return windows.astype(FLOAT, order="C").reshape(len(windows), -1)


PLANS: Planners = {"matmul": matmul}
