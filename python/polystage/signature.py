"""What a compiled function takes and gives: its arguments as named, typed arrays, converted and checked at the door.

64-bit integers of PyTorch are 32-bit inside a compiled program; they are checked for range on the way in and widened on
the way out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from torch_mlir import ir

from polystage.analysis.nests import main_function
from polystage.errors import UserError

Array = np.ndarray[Any, np.dtype[Any]]

NUMPY: Mapping[str, np.dtype[Any]] = {
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "i64": np.dtype(np.int64),
    "i32": np.dtype(np.int32),
    "i8": np.dtype(np.int8),
    "i1": np.dtype(np.bool_),
}
_I32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Binding:
    """One argument: ``element`` is its type in the program, ``dtype`` its type outside (MLIR names)."""

    name: str
    kind: str
    shape: tuple[int, ...]
    element: str
    dtype: str

    def __str__(self) -> str:
        return f"'{self.name}' ({self.dtype} {'x'.join(map(str, self.shape)) or 'scalar'})"

    def take(self, array: Array) -> Array:
        """``array`` as the program wants it (contiguous, element type), or UserError."""
        array = self._readable(array)
        if array.shape != self.shape:
            raise UserError(f"{self.kind} {self} was given an array of shape {array.shape}")
        if array.dtype not in self._accepted():
            raise UserError(f"{self.kind} {self} was given {array.dtype} data; convert it to {NUMPY[self.dtype]} first")
        if self.element == "i32" and array.dtype == np.int64 and array.size:
            self._check_range(int(array.min()), int(array.max()))
        return np.ascontiguousarray(array, NUMPY[self.element]).reshape(self.shape)

    def empty(self) -> Array:
        """A new array for the program to write: NaN or the least integer, so that what it leaves out shows."""
        dtype = NUMPY[self.element]
        fill = np.iinfo(dtype).min if dtype.kind == "i" else dtype.type(np.nan)
        return np.full(self.shape, fill, dtype)

    def give(self, array: Array) -> Array:
        """An array that the program wrote, in the type the caller knows."""
        return array.astype(NUMPY[self.dtype], copy=False)

    def _readable(self, array: Array) -> Array:
        """numpy files keep bf16 as two opaque bytes."""
        opaque = array.dtype.kind == "V" and array.dtype.itemsize == 2 and self.dtype == "bf16"
        return array.view(ml_dtypes.bfloat16) if opaque else array

    def _accepted(self) -> tuple[np.dtype[Any], ...]:
        narrow = {"i64": ("i64", "i32"), "bf16": ("bf16", "f32"), "f16": ("f16", "f32")}
        return tuple(NUMPY[name] for name in narrow.get(self.dtype, (self.dtype,)))

    def _check_range(self, low: int, high: int) -> None:
        if low < _I32.min or high > _I32.max:
            raise UserError(f"{self.kind} {self} holds values {low} .. {high}; compiled programs have 32-bit integers")


@dataclass(frozen=True)
class Signature:
    """All arguments of ``@main``, in order."""

    bindings: tuple[Binding, ...]

    def of_kind(self, *kinds: str) -> tuple[Binding, ...]:
        """The arguments of the given kinds, in order."""
        return tuple(binding for binding in self.bindings if binding.kind in kinds)

    @property
    def inputs(self) -> tuple[Binding, ...]:
        """What a caller supplies."""
        return self.of_kind("input")

    @property
    def outputs(self) -> tuple[Binding, ...]:
        """What a caller receives."""
        return self.of_kind("output")

    @property
    def weights(self) -> tuple[Binding, ...]:
        """What the model brings: parameters, buffers, constants."""
        return self.of_kind("parameter", "buffer", "constant")

    def by_position(self, arrays: Sequence[Array]) -> dict[str, Array]:
        """Positional inputs by name."""
        if len(arrays) != len(self.inputs):
            takes = ", ".join(map(str, self.inputs))
            raise UserError(f"the program takes {len(self.inputs)} inputs ({takes}), got {len(arrays)}")
        return {binding.name: array for binding, array in zip(self.inputs, arrays, strict=True)}

    def check_names(self, names: Sequence[str]) -> None:
        """Raises UserError unless ``names`` are those of the inputs."""
        known = {binding.name for binding in self.inputs}
        takes = ", ".join(map(str, self.inputs)) or "no input"
        for word, odd in (("unknown", set(names) - known), ("missing", known - set(names))):
            if odd:
                raise UserError(
                    f"{word} input {', '.join(repr(name) for name in sorted(odd))}; the program takes {takes}"
                )


def of_module(module: ir.Operation) -> Signature:
    """Reads the signature of an affine, placed or npu module from its argument types and attributes."""
    function = main_function(module)
    types = function.regions[0].blocks[0].arguments
    attributes = ir.ArrayAttr(function.attributes["arg_attrs"]) if "arg_attrs" in function.attributes else None
    empty = ir.DictAttr.get({}, module.context)
    return Signature(
        tuple(
            _binding(position, ir.MemRefType(argument.type), ir.DictAttr(attributes[position]) if attributes else empty)
            for position, argument in enumerate(types)
        )
    )


def _binding(position: int, type_: ir.MemRefType, attributes: ir.DictAttr) -> Binding:
    def text(key: str, default: str) -> str:
        return ir.StringAttr(attributes[key]).value if key in attributes else default

    element = str(type_.element_type)
    name, kind = text("polystage.name", f"arg{position}"), text("polystage.kind", "input")
    return Binding(name, kind, tuple(type_.shape), element, text("polystage.dtype", element))
