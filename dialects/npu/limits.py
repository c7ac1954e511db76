"""What one machine can do in one instruction: lanes, start lanes, free sizes, access patterns, PSUM banks."""

from math import prod
from typing import TYPE_CHECKING

from torch_mlir import ir

from polystage.dialects.npu.instruction import Illegal, Parsed, View
from polystage.dialects.npu.linear import Sum
from polystage.dialects.npu.rules import free_dims, lane_dim

if TYPE_CHECKING:
    from polystage.machine import Machine

_ADDRESS = "npu.address"
_ENUMERATED = 1024  # iterations that are looked at one by one


def check(instruction: Parsed, machine: "Machine") -> None:
    """Raise Illegal where the machine does not have such an instruction."""
    for view in instruction.views:
        _check_memref(view, machine)
    engine = instruction.signature.engine
    if engine == "dma":
        return
    for view in instruction.views:
        _check_start(instruction, view, machine)
    if engine == "tensor":
        _check_matrix(instruction, machine)
    else:
        _check_engine(instruction, machine)


def _check_memref(view: View, machine: "Machine") -> None:
    memref = view.memref
    if memref.element not in machine.dtypes:
        legal = ", ".join(machine.dtypes)
        raise Illegal(f"{view.role}: {machine.name} does not store {memref.element}; it stores {legal}")
    if not view.on_chip:
        return
    lanes = machine.lanes if memref.memory == "sbuf" else machine.psum.lanes
    if memref.shape[0] > lanes:
        raise Illegal(f"{view.role}: {memref.type} spans {memref.shape[0]} lanes, {machine.name} has {lanes}")


def _check_start(instruction: Parsed, view: View, machine: "Machine") -> None:
    """The first lane is legal for that many lanes, in every iteration of the loops around."""
    lanes = instruction.sizes[lane_dim(instruction, view)]
    multiple = machine.start_multiple(min(lanes, machine.lanes))
    row = view.rows[0]
    if multiple == 1 or not (row.const or row.symbols):
        return
    start = instruction.indices.total(row.const, row.symbols)
    if start is None:
        return
    residues = start.residues(multiple)
    if residues.const or residues.terms:
        example = next((each for each in _some(start) if each % multiple), start.const)
        raise Illegal(
            f"{view.role}: an access to {lanes} lanes starts at lane {example}, on {machine.name} it must start at a "
            f"multiple of {multiple}; move the tensor, or cut the access into fewer lanes"
        )


def _some(values: Sum) -> list[int]:
    """Enough values to show a bad residue: all variables first, then each of them one step on."""
    first = values.const + sum(factor * loop.first for loop, factor in values.terms)
    return [first, *(first + factor * loop.step for loop, factor in values.terms if loop.trips > 1)]


def _check_engine(instruction: Parsed, machine: "Machine") -> None:
    engine = machine.engine(instruction.signature.engine)
    for view in instruction.views:
        limit = engine.max_free_elements_sbuf if view.memref.memory == "sbuf" else engine.max_free_elements_psum
        dims = free_dims(instruction, view)
        if view.role == "dst" and instruction.signature.name == "tensor_reduce":
            dims = [dim for dim in dims if view.uses(dim)]
        elements = prod(instruction.sizes[dim] for dim in dims)
        if elements > limit:
            raise Illegal(
                f"{view.role}: {elements} elements in each lane, the {instruction.signature.engine} engine of "
                f"{machine.name} takes {limit} in {view.memref.memory.upper()}; cut the box"
            )
        _check_pattern(instruction, view, engine.max_free_dims, machine)


def _check_pattern(instruction: Parsed, view: View, limit: int, machine: "Machine") -> None:
    """Inside a lane an access has few strides; neighbouring dimensions that make one run count once."""
    if len(instruction.sizes) <= limit + 1:
        return
    strides: list[int] = []
    for dim in free_dims(instruction, view):
        size = instruction.sizes[dim]
        if size == 1:
            continue
        stride = view.stride(dim)
        if strides and strides[-1] == stride * size:
            strides[-1] = stride
        else:
            strides.append(stride)
    if len(strides) > limit:
        raise Illegal(
            f"{view.role}: an access with {len(strides)} strides ({', '.join(map(str, strides))}) inside a lane, "
            f"{machine.name} has up to {limit}; put a dimension into a loop"
        )


def _check_matrix(instruction: Parsed, machine: "Machine") -> None:
    matrix, sizes = machine.matrix, instruction.sizes
    if instruction.signature.name == "transpose":
        limits = (("P", sizes[0], matrix.rows), ("F", sizes[1], matrix.columns))
    else:
        moved = prod(sizes[2:])
        limits = (("K", sizes[0], matrix.rows), ("M", sizes[1], matrix.columns), ("N", moved, matrix.max_moving))
    for name, size, limit in limits:
        if size > limit:
            raise Illegal(f"{name} is {size}, the matrix engine of {machine.name} takes up to {limit}; cut the box")
    for view in instruction.views[1:]:
        if view.memref.element not in matrix.cycle_factor and instruction.signature.name == "matmul":
            legal = ", ".join(matrix.cycle_factor)
            raise Illegal(f"{view.role}: the matrix engine of {machine.name} takes {legal}, not {view.memref.element}")
    for view in instruction.views:
        _check_pattern(instruction, view, matrix.max_free_dims, machine)
    _check_bank(instruction, instruction.views[0], machine)


def _check_bank(instruction: Parsed, dst: View, machine: "Machine") -> None:
    """The result lies in one PSUM bank, in every iteration; before allocation it could."""
    bank, size = machine.psum.bytes_per_bank, dst.memref.element_bytes
    low, high = 0, size - 1
    for dim in free_dims(instruction, dst):
        reach = dst.stride(dim) * (instruction.sizes[dim] - 1) * size
        low, high = low + min(reach, 0), high + max(reach, 0)
    if high - low >= bank:
        raise Illegal(
            f"dst: spans {high - low + 1} bytes in each lane, one PSUM bank of {machine.name} has {bank}; cut the box"
        )
    address = _address(dst.value)
    base = _offset(instruction, dst) if address is not None else None
    if address is None or base is None:
        return
    start = Sum(base.const * size + address, tuple((loop, factor * size) for loop, factor in base.terms))
    for first in start.residues(bank).values(_ENUMERATED) or ():
        if (first + low) // bank != (first + high) // bank:
            raise Illegal(
                f"dst: bytes {(first + low) % bank} to {(first + low) % bank + high - low} from the start of a bank "
                f"cross its end, a PSUM bank of {machine.name} has {bank} bytes; move the buffer from {address}, "
                "or cut the box"
            )


def _offset(instruction: Parsed, view: View) -> Sum | None:
    """Elements from the start of the memref to the first point of the box, inside a lane."""
    const, symbols = 0, dict[int, int]()
    for row, stride in zip(view.rows[1:], view.memref.strides[1:], strict=True):
        const += row.const * stride
        for symbol, factor in row.symbols:
            symbols[symbol] = symbols.get(symbol, 0) + factor * stride
    return instruction.indices.total(const, list(symbols.items()))


def _address(value: ir.Value) -> int | None:
    owner = value.owner
    if isinstance(owner, ir.Block):
        return None
    attribute = owner.operation.attributes.get(_ADDRESS)
    return attribute.value if isinstance(attribute, ir.IntegerAttr) else None
