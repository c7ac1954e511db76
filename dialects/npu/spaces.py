"""Memory spaces and element sizes."""

from typing import Literal

from torch_mlir import ir

Memory = Literal["dram", "sbuf", "psum"]

_ELEMENT_BYTES = {"i1": 1, "i8": 1, "f16": 2, "bf16": 2, "i32": 4, "f32": 4}


def sbuf() -> ir.Attribute:
    """``#npu.sbuf`` in the current context."""
    return ir.Attribute.parse("#npu.sbuf")


def psum() -> ir.Attribute:
    """``#npu.psum`` in the current context."""
    return ir.Attribute.parse("#npu.psum")


def memory_of(memref: ir.Type) -> Memory:
    """The memory that ``memref`` lies in; the default memory space is DRAM.

    Raises ValueError for a memory space that the npu dialect does not know.
    """
    space = ir.MemRefType(memref).memory_space
    if space is None:
        return "dram"
    match str(space):
        case "#npu.sbuf":
            return "sbuf"
        case "#npu.psum":
            return "psum"
        case other:
            raise ValueError(f"memory space {other} is none of DRAM (default), #npu.sbuf, #npu.psum")


def element_bytes(element: ir.Type) -> int:
    """Bytes that one element takes in any memory; i1 takes a whole byte.

    Raises ValueError for an element type that the machine does not have.
    """
    size = _ELEMENT_BYTES.get(str(element))
    if size is None:
        raise ValueError(f"element type {element} is none of {', '.join(_ELEMENT_BYTES)}")
    return size
