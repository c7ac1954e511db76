"""The npu dialect: instructions (``ops``), their builders, ``decode``, the scalar operations, memory spaces."""

from polystage.dialects.npu import scalars
from polystage.dialects.npu.builders import (
    activation,
    dma_start,
    dma_wait,
    gather,
    iota,
    matmul,
    memset,
    number_attribute,
    scalar_tensor_tensor,
    scatter,
    select,
    tensor_copy,
    tensor_reduce,
    tensor_scalar,
    tensor_tensor,
    transpose,
)
from polystage.dialects.npu.decode import Instruction, ScalarStep, decode, is_instruction, scalar_steps
from polystage.dialects.npu.signatures import ENGINE, SIGNATURES, Signature
from polystage.dialects.npu.spaces import Memory, element_bytes, memory_of, psum, sbuf

__all__ = [
    "ENGINE",
    "SIGNATURES",
    "Instruction",
    "Memory",
    "ScalarStep",
    "Signature",
    "activation",
    "decode",
    "dma_start",
    "dma_wait",
    "element_bytes",
    "gather",
    "iota",
    "is_instruction",
    "matmul",
    "memory_of",
    "memset",
    "number_attribute",
    "psum",
    "sbuf",
    "scalar_steps",
    "scalar_tensor_tensor",
    "scalars",
    "scatter",
    "select",
    "tensor_copy",
    "tensor_reduce",
    "tensor_scalar",
    "tensor_tensor",
    "transpose",
]
