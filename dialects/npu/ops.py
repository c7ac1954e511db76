# pyright: reportInvalidTypeForm=false
# The annotations of an op class are its IRDL constraints, run-time values that are no types to a checker.
"""The npu dialect: machine-shaped instructions on plain memrefs.

Every instruction is ``"npu.X"(memrefs..., indices...) {sizes = array<i64: ...>, maps = [affine_map<...>, ...], ...}``.
``sizes`` is its iteration box; ``maps[i]`` takes the box (affine dimensions) and the index operands (affine symbols)
to an element of memref operand i, linearly. A dimension that a map does not use is broadcast. For engine instructions
dimension 0 of the box runs over the lanes. See ``Rationale.md`` for why it is so.

Attributes that may be absent are not declared here; the verifier checks them. Ops with optional memrefs carry MLIR's
``operandSegmentSizes``: memrefs one by one, each optional one 0 or 1, and last the number of index operands.
Each op's semantics is for one point ``d`` of the box, element ``X[maps[X](d)]`` of each operand X written ``X``.
"""

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir

from polystage.dialects import _ext
from polystage.dialects._ext import IndexArray, MemRef, Operand, Result
from polystage.dialects.npu.verify import verify


class Npu(_ext.Dialect, name="npu"):
    """Instructions of an accelerator with a software-managed scratchpad."""


class Sbuf(Npu.Attribute, name="sbuf"):
    """Memory space of the scratchpad. Dimension 0 of a memref is the lane, the rest is row-major inside the lane."""


class Psum(Npu.Attribute, name="psum"):
    """Memory space of the matrix engine's accumulators, laid out like the scratchpad."""


class Token(Npu.Type, name="token"):
    """A transfer under way."""


class _Instruction(Npu.Operation):
    """What every op of the dialect shares: its verifier."""

    verify_invariants = _ext.verifier(verify)


class DmaStart(_Instruction, name="dma_start"):
    """``dst = src`` between any two memories, equal element types; done when its token has been waited for."""

    src: Operand[MemRef]
    dst: Operand[MemRef]
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr
    cause: ir.StringAttr
    token: Result[Token]


class DmaWait(_Instruction, name="dma_wait"):
    """Returns when the transfer that made ``token`` is complete."""

    token: Operand[Token]


class Gather(_Instruction, name="gather"):
    """``dst = src`` with one more dimension of ``src``'s map per index memref: the value loaded from it."""

    src: Operand[MemRef]
    dst: Operand[MemRef]
    index0: Operand[MemRef] | None
    index1: Operand[MemRef] | None
    index2: Operand[MemRef] | None
    index3: Operand[MemRef] | None
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr
    cause: ir.StringAttr
    token: Result[Token]


class Scatter(_Instruction, name="scatter"):
    """``dst = src`` with one more dimension of ``dst``'s map per index memref: the value loaded from it."""

    src: Operand[MemRef]
    dst: Operand[MemRef]
    index0: Operand[MemRef] | None
    index1: Operand[MemRef] | None
    index2: Operand[MemRef] | None
    index3: Operand[MemRef] | None
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr
    cause: ir.StringAttr
    token: Result[Token]


class Matmul(_Instruction, name="matmul"):
    """``dst[M, N..] (+)= sum over K of stationary[K, M] * moving[K, N..]``, box ``[K, M, N..]``, in fp32.

    With ``accumulate`` the sum is added to what ``dst`` holds, without it ``dst`` is overwritten.
    """

    dst: Operand[MemRef]
    stationary: Operand[MemRef]
    moving: Operand[MemRef]
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr
    accumulate: ir.IntegerAttr


class Transpose(_Instruction, name="transpose"):
    """``dst = src`` with box ``[P, F]``: ``src`` has P on its lanes, ``dst`` has F."""

    dst: Operand[MemRef]
    src: Operand[MemRef]
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr


class Activation(_Instruction, name="activation"):
    """``dst = func(scale * src + bias)``; both are numbers or memrefs with one value per lane.

    The scale is a memref beside such a bias only.

    Optional: ``scale : f32`` (1.0), ``bias : f32`` (0.0), numbers; without effect beside the operand.
    """

    dst: Operand[MemRef]
    src: Operand[MemRef]
    bias: Operand[MemRef] | None
    lane_scale: Operand[MemRef] | None
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr
    func: ir.StringAttr


class TensorTensor(_Instruction, name="tensor_tensor"):
    """``dst = a op b``."""

    dst: Operand[MemRef]
    a: Operand[MemRef]
    b: Operand[MemRef]
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr
    op: ir.StringAttr


class TensorScalar(_Instruction, name="tensor_scalar"):
    """``dst = (src op0 scalar0) op1 scalar1``; ``reverse0`` and ``reverse1`` swap the operands of their operation.

    ``scalar0`` and ``scalar1`` are number attributes; where one is absent, the next memref operand after ``src``
    takes its place, one value per lane. Optional: ``op1`` and with it ``scalar1`` and ``reverse1``.
    """

    dst: Operand[MemRef]
    src: Operand[MemRef]
    lane_scalar0: Operand[MemRef] | None
    lane_scalar1: Operand[MemRef] | None
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr
    op0: ir.StringAttr
    reverse0: ir.IntegerAttr


class ScalarTensorTensor(_Instruction, name="scalar_tensor_tensor"):
    """``dst = (a op0 scalar) op1 b``; ``scalar`` has one value per lane."""

    dst: Operand[MemRef]
    a: Operand[MemRef]
    scalar: Operand[MemRef]
    b: Operand[MemRef]
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr
    op0: ir.StringAttr
    op1: ir.StringAttr


class TensorReduce(_Instruction, name="tensor_reduce"):
    """``dst`` = ``src`` reduced with ``op`` over the free dimensions that ``dst``'s map does not use."""

    dst: Operand[MemRef]
    src: Operand[MemRef]
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr
    op: ir.StringAttr


class TensorCopy(_Instruction, name="tensor_copy"):
    """``dst = src``, converted to ``dst``'s element type.

    Optional: ``cause``, why there is a copy that the model does not have (``"relayout"``).
    """

    dst: Operand[MemRef]
    src: Operand[MemRef]
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr


class Select(_Instruction, name="select"):
    """``dst = pred ? a : b``; ``pred`` holds i1."""

    dst: Operand[MemRef]
    pred: Operand[MemRef]
    a: Operand[MemRef]
    b: Operand[MemRef]
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr


class Iota(_Instruction, name="iota"):
    """``dst`` = the value of the affine map ``value`` at the box point, converted to ``dst``'s element type."""

    dst: Operand[MemRef]
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr
    value: ir.AffineMapAttr


class Memset(_Instruction, name="memset"):
    """``dst = value``, a number of ``dst``'s element type."""

    dst: Operand[MemRef]
    indices: Sequence[Operand[ir.IndexType]]
    sizes: IndexArray
    maps: ir.ArrayAttr
    value: Any
