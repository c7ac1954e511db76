"""The matrix engine: ``dst[M, N] (+)= sum over K of stationary[K, M] * moving[K, N]`` in fp32, by BLAS on the views.

BLAS takes a matrix as it lies when its rows are contiguous and evenly spaced; the stationary operand then goes in
transposed, which costs nothing. Anything else is copied first.
"""

from collections.abc import Sequence

import numpy as np

from polystage.dialects.npu import Instruction
from polystage.interp.core import Decoder
from polystage.interp.memory import Array
from polystage.interp.plans import Plan, Planners, Use
from polystage.interp.scalars import FLOAT

_FP32 = FLOAT.itemsize


def matmul(_decoder: Decoder, instruction: Instruction, _elements: Sequence[str]) -> Plan:
    """``matmul``, with several moving dimensions flattened into one."""
    free = range(2, len(instruction.sizes))
    stationary, moving = Use(1, (0, 1)), Use(2, (0, *free))
    before, after = Use(0, (1, *free)), Use(0, (1, *free), write=True)
    if instruction.accumulate:
        return Plan((stationary, moving, before, after), _accumulate)
    return Plan((stationary, moving, after), _overwrite)


def _overwrite(stationary: Array, moving: Array, target: Array) -> None:
    if target.ndim == 2 and target.strides[1] == _FP32:
        np.matmul(_rows(stationary).T, _flat(moving), target)
    else:
        target[...] = np.matmul(_rows(stationary).T, _flat(moving)).reshape(target.shape)


def _accumulate(stationary: Array, moving: Array, _before: Array, target: Array) -> None:
    product = np.matmul(_rows(stationary).T, _flat(moving))
    np.add(target, product.reshape(target.shape), target)


def _flat(moving: Array) -> Array:
    """As [K, N] float32 with contiguous rows."""
    return _rows(moving if moving.ndim == 2 else moving.reshape(len(moving), -1))


def _rows(matrix: Array) -> Array:
    """As float32 with contiguous rows."""
    if matrix.dtype != FLOAT:
        return matrix.astype(FLOAT, order="C")
    row, column = matrix.strides
    if column == _FP32 and row >= matrix.shape[1] * _FP32 and row % _FP32 == 0:
        return matrix
    return np.ascontiguousarray(matrix)


PLANS: Planners = {"matmul": matmul}
