"""What a program's buffers are: function arguments, constants and allocations, each placed in a memory.

A function argument or a constant is a memory of its own, which is the caller's array; allocations share SBUF, PSUM and
the DRAM arena by address. Only as much of these is made as the program's allocations reach.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from torch_mlir import ir

from polystage.dialects import npu
from polystage.errors import UserError
from polystage.interp.core import Decoder, Step, describe
from polystage.interp.memory import DTYPES, Array, Buffer, Fault, Memory, bytes_of, row_major
from polystage.interp.shadow import Shadow
from polystage.machine import Machine

_LINE = 64


class Storage:
    """The memories of one execution of ``function`` on ``machine``."""

    def __init__(self, module: ir.Operation, function: ir.Operation, machine: Machine, shadow: bool) -> None:
        self.machine = machine
        self._module = module
        self._shadow = shadow
        self._globals: dict[str, Buffer] = {}
        ends = {"sbuf": 0, "psum": 0, "dram": 0}
        for op in _allocations(function):
            place = _Place(op)
            place.check(machine)
            ends[place.memory] = max(ends[place.memory], place.end)
        self.memories = {
            "dram": self._memory("dram", 1, ends["dram"], 0),
            "sbuf": self._memory("sbuf", machine.lanes, ends["sbuf"], _pitch(ends["sbuf"])),
            "psum": self._memory("psum", machine.psum.lanes, ends["psum"], _pitch(ends["psum"])),
        }

    def bind(self, decoder: Decoder, function: ir.Operation, args: Sequence[Array]) -> None:
        """Make each function argument a buffer on the caller's array. Raises UserError where they do not match."""
        parameters = list(function.regions[0].blocks[0].arguments)
        if len(parameters) != len(args):
            raise UserError(f"the program takes {len(parameters)} arrays, got {len(args)}")
        attributes = ir.ArrayAttr(function.attributes["arg_attrs"]) if "arg_attrs" in function.attributes else None
        for i, (parameter, array) in enumerate(zip(parameters, args, strict=True)):
            marks = ir.DictAttr(attributes[i]) if attributes is not None else None
            name = _text(marks, "polystage.name") or f"arg{i}"
            output = _text(marks, "polystage.kind") == "output"
            decoder.buffers[parameter] = self._bound(ir.MemRefType(parameter.type), name, array, output)

    def alloc(self, decoder: Decoder, op: ir.Operation) -> Step | None:
        """``memref.alloc``: a buffer at its address; inside a loop each trip makes it anew."""
        place = _Place(op)
        memory = self.memories[place.memory]
        shape, itemsize = tuple(place.type.shape), DTYPES[place.element].itemsize
        strides = row_major(shape, itemsize)
        if memory.pitch:
            strides = (memory.pitch, *row_major(shape[1:], itemsize))
        tensor = place.name if place.memory == "dram" else ""
        buffer = Buffer(
            memory, place.label, place.element, shape, strides, place.address, place.address, place.extent, tensor
        )
        decoder.buffers[op.results[0]] = buffer
        shadow = memory.shadow
        if shadow is None:
            return None
        shadow.adopt(buffer)
        return (lambda: shadow.adopt(buffer)) if decoder.loops else None

    def get_global(self, decoder: Decoder, op: ir.Operation) -> Step | None:
        """``memref.get_global``: a read-only buffer on the constant's value."""
        name = ir.FlatSymbolRefAttr(op.attributes["name"]).value
        if name not in self._globals:
            self._globals[name] = self._constant(name, op)
        decoder.buffers[op.results[0]] = self._globals[name]
        return None

    def _memory(self, name: str, lanes: int, end: int, pitch: int) -> Memory:
        size = lanes * pitch if pitch else end
        memory = Memory(name, np.zeros(size, np.uint8), pitch, None)
        if self._shadow:
            memory.shadow = Shadow(size)
        return memory

    def _bound(self, type_: ir.MemRefType, name: str, array: Array, output: bool) -> Buffer:
        shape, element = tuple(type_.shape), str(type_.element_type)
        dtype = DTYPES.get(element)
        if dtype is None:
            raise UserError(f"argument '{name}' has element type {element}, which npu programs do not have")
        if array.shape != shape or array.dtype != dtype:
            raise UserError(f"argument '{name}' is {dtype}{list(shape)}, got {array.dtype}{list(array.shape)}")
        if not array.flags.c_contiguous:
            raise UserError(f"argument '{name}' has to be C-contiguous; pass numpy.ascontiguousarray of it")
        if output and not array.flags.writeable:
            raise UserError(f"output '{name}' is a read-only array")
        memory = Memory("dram", bytes_of(array), 0, Shadow(array.nbytes) if output and self._shadow else None)
        buffer = Buffer(
            memory, name, element, shape, row_major(shape, dtype.itemsize), 0, 0, array.nbytes, name, writable=output
        )
        if memory.shadow is not None:
            memory.shadow.adopt(buffer)
        return buffer

    def _constant(self, name: str, op: ir.Operation) -> Buffer:
        for candidate in self._module.regions[0].blocks[0].operations:
            attributes = candidate.operation.attributes
            if candidate.operation.name == "memref.global" and ir.StringAttr(attributes["sym_name"]).value == name:
                array = dense(attributes["initial_value"])
                return self._bound(ir.MemRefType(op.results[0].type), name, array, output=False)
        raise UserError(f"there is no memref.global @{name}", describe(op.location))


class _Place:
    """Where one ``memref.alloc`` puts its buffer."""

    def __init__(self, op: ir.Operation) -> None:
        self.location = op.location
        self.type = ir.MemRefType(op.results[0].type)
        self.element = str(self.type.element_type)
        self.memory = npu.memory_of(self.type)
        attributes = op.attributes
        self.name = ir.StringAttr(attributes["polystage.name"]).value if "polystage.name" in attributes else ""
        if "npu.address" not in attributes:
            raise UserError("'memref.alloc' has no npu.address; run allocate first", describe(op.location))
        self.address = ir.IntegerAttr(attributes["npu.address"]).value
        self.label = self.name or f"at {self.memory} address {self.address}"
        if self.element not in DTYPES:
            raise UserError(f"element type {self.element} is not part of an npu program", describe(op.location))
        self.extent = DTYPES[self.element].itemsize
        for size in self.type.shape[1:] if self.memory != "dram" else self.type.shape:
            self.extent *= size

    @property
    def end(self) -> int:
        return self.address + self.extent

    def check(self, machine: Machine) -> None:
        """Raise Fault (out-of-bounds) where the buffer does not lie in its memory."""
        problem = self._problem(machine)
        if problem:
            raise Fault("out-of-bounds", f"buffer {self.label} {problem}", describe(self.location))

    def _problem(self, machine: Machine) -> str:
        if self.address % DTYPES[self.element].itemsize:
            return f"begins at byte {self.address}, which is not a multiple of its element size"
        if self.memory == "dram":
            return "begins before DRAM does" if self.address < 0 else ""
        lanes = machine.lanes if self.memory == "sbuf" else machine.psum.lanes
        first = machine.reserved_bytes_per_lane if self.memory == "sbuf" else 0
        last = machine.bytes_per_lane if self.memory == "sbuf" else machine.psum.bytes_per_lane
        if self.type.shape[0] > lanes:
            return f"takes {self.type.shape[0]} lanes, {machine.name} has {lanes}"
        if self.address < first or self.end > last:
            return (
                f"takes bytes {self.address} to {self.end - 1} of each lane of {self.memory}; "
                f"on {machine.name} a program may use {first} to {last - 1}"
            )
        return ""


def dense(attribute: ir.Attribute) -> Array:
    """The value of a dense elements attribute."""
    shaped = ir.ShapedType(attribute.type)
    element = str(shaped.element_type)
    if element != "bf16":
        return np.ascontiguousarray(np.array(attribute))
    text = str(attribute)
    body = text[text.index("<") + 1 : text.rindex("> :")]
    if body.startswith('"0x'):
        flat = np.frombuffer(bytes.fromhex(body[3:-1]), DTYPES[element])
    else:
        flat = np.array([_bf16(number) for number in re.findall(r"[-+.\w]+", body)], DTYPES[element])
    shape = tuple(shaped.shape)
    return np.full(shape, flat[0]) if flat.size == 1 else flat.reshape(shape).copy()


def _bf16(number: str) -> float:
    if number.startswith("0x"):
        return float(np.array(int(number, 16) << 16, np.uint32).view(np.float32))
    return float(number)


def _allocations(op: ir.Operation) -> Iterator[ir.Operation]:
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                if inner.operation.name == "memref.alloc":
                    yield inner.operation
                elif len(inner.operation.regions):
                    yield from _allocations(inner.operation)


def _pitch(end: int) -> int:
    """Bytes from lane to lane: odd in cache lines, so that the same bytes of all lanes do not share a cache set."""
    return (-(-end // _LINE) | 1) * _LINE


def _text(marks: ir.DictAttr | None, name: str) -> str:
    return ir.StringAttr(marks[name]).value if marks is not None and name in marks else ""
