"""An npu op as the verifier reads it: nothing is assumed to be there, and what is missing or malformed is named."""

from math import prod
from typing import NamedTuple

from torch_mlir import ir

from polystage.dialects.npu.linear import BoxRow, Indices, box_rows
from polystage.dialects.npu.memo import memoised
from polystage.dialects.npu.signatures import Signature
from polystage.dialects.npu.spaces import Memory, element_bytes, memory_of


class Illegal(Exception):  # noqa: N818 - what is wrong with an op, in words for the user
    """An instruction that is malformed, or that the machine does not have."""


class MemRef(NamedTuple):
    """A memref type; ``strides`` are those of its row-major layout, in elements of one lane where it is on chip."""

    type: str
    memory: Memory
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    element: str
    element_bytes: int

    @property
    def kind(self) -> str:
        """``float`` or ``int``."""
        return "int" if self.element.startswith("i") else "float"


class View(NamedTuple):
    """A memref operand and its map. Coefficients of box dimensions of size one are zero."""

    role: str
    value: ir.Value
    memref: MemRef
    rows: tuple[BoxRow, ...]

    @property
    def on_chip(self) -> bool:
        """Whether the memref lies in SBUF or PSUM."""
        return self.memref.memory != "dram"

    def uses(self, dim: int) -> bool:
        """Whether the map depends on that box dimension."""
        return any(row.dims[dim] for row in self.rows)

    def stride(self, dim: int) -> int:
        """How far one step of that box dimension moves inside a lane, in elements."""
        pairs = zip(self.rows[1:], self.memref.strides[1:], strict=True)
        return sum(row.dims[dim] * stride for row, stride in pairs)


class Parsed(NamedTuple):
    """A structurally sound instruction."""

    operation: ir.Operation
    signature: Signature
    sizes: tuple[int, ...]
    views: tuple[View, ...]
    indices: Indices

    def view(self, role: str) -> View | None:
        """The operand of that role, if it was given."""
        return next((view for view in self.views if view.role == role), None)


def parse(operation: ir.Operation, signature: Signature) -> Parsed:
    """The instruction that ``operation`` is; raises Illegal when its operands, sizes and maps do not make one."""
    sizes = _sizes(operation)
    operands = tuple(operation.operands)
    types = [operand.type for operand in operands]
    count = next((i for i, each in enumerate(types) if not isinstance(each, ir.MemRefType)), len(types))
    _check_operands(signature, types, count)
    maps = _maps(operation, count, signature)
    indices = len(types) - count
    views: list[View] = []
    for i, (each, access) in enumerate(zip(types[:count], maps, strict=True)):
        role = signature.role(i)
        memref = _memref_of(role, each)
        extra = count - len(signature.roles) if role == signature.indirect else 0
        _check_map(role, memref, access, sizes, extra, indices)
        views.append(View(role, operands[i], memref, _rows(role, access, sizes)))
    return Parsed(operation, signature, sizes, tuple(views), Indices(operands[count:]))


def _sizes(operation: ir.Operation) -> tuple[int, ...]:
    attribute = operation.attributes.get("sizes")
    if not isinstance(attribute, ir.DenseI64ArrayAttr):
        raise Illegal("needs its iteration box as sizes = array<i64: ...>")
    sizes = tuple(attribute)
    if not sizes or min(sizes) < 1:
        raise Illegal(f"sizes = {list(sizes)}: a box has at least one dimension, and each has at least one point")
    return sizes


def _maps(operation: ir.Operation, count: int, signature: Signature) -> list[ir.AffineMap]:
    attribute = operation.attributes.get("maps")
    entries = list(attribute) if isinstance(attribute, ir.ArrayAttr) else []
    maps = [entry.value for entry in entries if isinstance(entry, ir.AffineMapAttr)]
    if len(maps) != len(entries) or len(maps) != count:
        roles = ", ".join(signature.role(i) for i in range(count))
        raise Illegal(f"needs one affine map per memref operand ({roles}) in maps, got {len(maps)}")
    return maps


def _check_operands(signature: Signature, types: list[ir.Type], count: int) -> None:
    least, most = len(signature.roles), len(signature.roles) + len(signature.optional)
    if not least <= count <= most:
        extra = (
            f" and up to {len(signature.optional)} of {' and '.join(signature.optional)}" if signature.optional else ""
        )
        raise Illegal(f"takes the memrefs {', '.join(signature.roles)}{extra} first, got {count}")
    for i, each in enumerate(types[count:], start=count):
        if not isinstance(each, ir.IndexType):
            raise Illegal(f"operand {i} is {each}; after the memrefs come index values")


def _check_map(
    role: str, memref: MemRef, access: ir.AffineMap, sizes: tuple[int, ...], extra: int, indices: int
) -> None:
    if access.n_dims != len(sizes) + extra:
        more = f" and {extra} of index memrefs" if extra else ""
        raise Illegal(f"{role}: its map has {access.n_dims} dimensions, the box has {len(sizes)}{more}")
    if access.n_symbols != indices:
        raise Illegal(f"{role}: its map has {access.n_symbols} symbols, the instruction has {indices} index operands")
    if len(access.results) != len(memref.shape):
        raise Illegal(f"{role}: its map has {len(access.results)} results, {memref.type} has rank {len(memref.shape)}")


def _rows(role: str, access: ir.AffineMap, sizes: tuple[int, ...]) -> tuple[BoxRow, ...]:
    found = box_rows(access, sizes)
    if found is None:
        raise Illegal(f"{role}: {access} is not linear; split the box where mod and floordiv break it")
    return found


def _memref_of(role: str, each: ir.Type) -> MemRef:
    memref = _memref(each)
    if isinstance(memref, str):
        raise Illegal(f"{role}: {memref}")
    return memref


@memoised
def _memref(each: ir.Type) -> MemRef | str:
    """Facts about a memref type, or what is wrong with it."""
    memref = ir.MemRefType(each)
    if not memref.has_static_shape:
        return f"{memref} has a dynamic shape"
    shape = tuple(memref.shape)
    if memref.affine_map != ir.AffineMap.get_identity(len(shape), each.context):
        return f"{memref} has a layout; instructions take physical memrefs, run normalize-memrefs first"
    try:
        memory, size = memory_of(memref), element_bytes(memref.element_type)
    except ValueError as problem:
        return f"{memref}: {problem}"
    if memory != "dram" and not shape:
        return f"{memref} has no lane dimension"
    strides = tuple(prod(shape[i + 1 :]) for i in range(len(shape)))
    return MemRef(str(memref), memory, shape, strides, str(memref.element_type), size)
