"""What each instruction of the npu dialect takes, as data: the one table that verifiers, builders and ``decode`` share.

An instruction is ``"npu.X"(memrefs..., indices...) {sizes, maps, ...}``. The memrefs come in the order of ``roles``;
then any first ones of ``optional``; then ``index`` values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MAX_INDEX_MEMREFS = 4


@dataclass(frozen=True)
class Signature:
    """Operands of one instruction and the engine that runs it.

    The map of operand ``indirect`` has one more dimension per optional memref, the value loaded from it.
    """

    name: str
    engine: str
    roles: tuple[str, ...]
    writes: tuple[int, ...]
    optional: tuple[str, ...] = ()
    indirect: str = ""

    def role(self, position: int) -> str:
        """The name of memref operand ``position``, as error messages give it."""
        return (*self.roles, *self.optional)[position]

    def segments(self, memrefs: int, indices: int) -> tuple[int, ...]:
        """``operandSegmentSizes`` for that many operands of each kind; only ops with optional memrefs carry it."""
        given = memrefs - len(self.roles)
        return (*(1 for _ in self.roles), *(int(i < given) for i in range(len(self.optional))), indices)


_INDEX_MEMREFS = tuple(f"index{number}" for number in range(MAX_INDEX_MEMREFS))
_TABLE = (
    Signature("dma_start", "dma", ("src", "dst"), (1,)),
    Signature("dma_wait", "dma", (), ()),
    Signature("gather", "dma", ("src", "dst"), (1,), _INDEX_MEMREFS, indirect="src"),
    Signature("scatter", "dma", ("src", "dst"), (1,), _INDEX_MEMREFS, indirect="dst"),
    Signature("matmul", "tensor", ("dst", "stationary", "moving"), (0,)),
    Signature("transpose", "tensor", ("dst", "src"), (0,)),
    Signature("activation", "scalar", ("dst", "src"), (0,), ("bias", "scale")),
    Signature("tensor_tensor", "vector", ("dst", "a", "b"), (0,)),
    Signature("tensor_scalar", "vector", ("dst", "src"), (0,), ("scalar0", "scalar1")),
    Signature("scalar_tensor_tensor", "vector", ("dst", "a", "scalar", "b"), (0,)),
    Signature("tensor_reduce", "vector", ("dst", "src"), (0,)),
    Signature("tensor_copy", "vector", ("dst", "src"), (0,)),
    Signature("select", "vector", ("dst", "pred", "a", "b"), (0,)),
    Signature("iota", "gpsimd", ("dst",), (0,)),
    Signature("memset", "vector", ("dst",), (0,)),
)

SIGNATURES: Mapping[str, Signature] = MappingProxyType({f"npu.{entry.name}": entry for entry in _TABLE})
"""Signature by full op name (``npu.matmul``)."""

ENGINE: Mapping[str, str] = MappingProxyType({entry.name: entry.engine for entry in _TABLE})
"""The engine that runs each instruction: tensor, scalar, vector, gpsimd or dma."""
