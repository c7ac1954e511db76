"""Random programs in the affine normal form, as text, on whose data every order of summation gives the same bits.

Floats are small integers, and every value carries a bound on its magnitude: sums and products stay where fp32 (bf16
where that is the type) is exact. Operations that round (``tanh``, ...) occur only where nothing discontinuous follows;
a program that has one is not ``exact``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeVar

import ml_dtypes
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Array = NDArray[Any]
T = TypeVar("T")

DTYPES = {
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "i32": np.dtype(np.int32),
    "i8": np.dtype(np.int8),
    "i1": np.dtype(np.bool_),
}
EXACT = {"f32": 2.0**22, "f16": 2048.0, "bf16": 256.0, "i32": 2.0**31, "i8": 127.0, "i1": 1.0}
"""Magnitudes up to which integers of a type are exact."""

FLOATS = ("f32", "f16", "bf16")

EXTENTS = (1, 2, 2, 3, 3, 4, 5, 7, 8, 8, 9, 11, 16, 17, 24, 33)
POINTS = 2500
"""Most iterations of a nest."""


@dataclass(frozen=True)
class Program:
    """A module and its arguments; the last ``outputs`` of them hold a number that stays where nothing is stored."""

    text: str
    args: tuple[Array, ...]
    outputs: int
    exact: bool

    @property
    def tolerance(self) -> float:
        """How far results may be apart, relative and absolute: instructions do not round between their operations."""
        if self.exact:
            return 0
        return 2e-2 if "f16" in self.text else 1e-5

    def __repr__(self) -> str:
        return f"Program(exact={self.exact}):\n{self.text}"


@dataclass
class Tensor:
    """An array of the program; ``data`` is None for what the program computes."""

    name: str
    shape: tuple[int, ...]
    element: str
    bound: float
    data: Array | None = None
    consumed: bool = False

    @property
    def constant(self) -> bool:
        """Whether the data may stand in the program: not one number repeated, which is a scalar constant."""
        return self.data is not None and self.element in ("f32", "i32") and len(np.unique(self.data)) > 1

    @property
    def type(self) -> str:
        return f"memref<{''.join(f'{extent}x' for extent in self.shape)}{self.element}>"


@dataclass
class Builder:
    """A program under construction."""

    draw: st.DrawFn
    tensors: list[Tensor] = field(default_factory=list[Tensor])
    constants: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    nests: list[str] = field(default_factory=list[str])
    exact: bool = True
    names: int = 0
    shown: int = 2  # of what the program reads again, one array in so many is an output too

    def pick(self, *options: T) -> T:
        """One of ``options``."""
        return self.draw(st.sampled_from(options))

    def chance(self, one_in: int) -> bool:
        """True once in ``one_in`` times."""
        return self.draw(st.integers(1, one_in)) == one_in

    def extents(self, low: int, high: int, points: int = POINTS) -> list[int]:
        """Extents of ``low`` to ``high`` loops with at most about ``points`` iterations."""
        found: list[int] = []
        for _ in range(self.draw(st.integers(low, high))):
            extent = self.pick(*EXTENTS)
            found.append(extent if prod(found) * extent <= points else 2)
        return found

    def fresh(self) -> int:
        """A number for a new name."""
        self.names += 1
        return self.names

    def constant(self, type_: str, value: float) -> str:
        """The SSA name of a constant."""
        text = ("true" if value else "false") if type_ == "i1" else str(int(value))
        if type_ in FLOATS:
            text = f"{float(value):e}"
        return self.constants.setdefault((type_, text), f"%c{len(self.constants)}")

    def input(self, shape: Sequence[int], element: str, bound: float) -> Tensor:
        """A new function argument with data within ``bound``."""
        rng = np.random.default_rng(len(self.tensors))
        limit = int(min(bound, 100))
        data = rng.integers(-limit, limit + 1, tuple(shape)) if element != "i1" else rng.integers(0, 2, tuple(shape))
        return self.argument(np.asarray(data).astype(DTYPES[element]), element, limit)

    def argument(self, data: Array, element: str, bound: float) -> Tensor:
        """A new function argument that holds ``data``."""
        tensor = Tensor(f"in{self.fresh()}", data.shape, element, bound, data)
        self.tensors.append(tensor)
        return tensor

    def result(self, shape: Sequence[int], element: str, bound: float = 0) -> Tensor:
        """A new array that the program computes; ``add`` makes it known to the nests that follow."""
        return Tensor(f"t{self.fresh()}", tuple(shape), element, bound)

    def add(self, tensor: Tensor) -> None:
        """Let later nests read ``tensor``."""
        self.tensors.append(tensor)

    def program(self) -> Program:
        """The program as built so far; what nobody reads is an output, and so is some of the rest."""
        given = [tensor for tensor in self.tensors if tensor.data is not None]
        stored = [tensor for tensor in given if tensor.constant and self.chance(8)]
        inputs = [tensor for tensor in given if tensor not in stored]
        made = [tensor for tensor in self.tensors if tensor.data is None]
        outputs = [tensor for tensor in made if not tensor.consumed or self.chance(self.shown)]
        lines = [
            f"    {name} = arith.constant {text}{'' if type_ == 'i1' else f' : {type_}'}"
            for (type_, text), name in self.constants.items()
        ]
        lines += [f"    %{tensor.name} = memref.get_global @{tensor.name} : {tensor.type}" for tensor in stored]
        lines += [
            f'    %{tensor.name} = memref.alloc() {{polystage.name = "{tensor.name}"}} : {tensor.type}'
            for tensor in made
            if tensor not in outputs
        ]
        arguments = [_argument(tensor, "input") for tensor in inputs] + [_argument(each, "output") for each in outputs]
        body = "\n".join([*lines, *self.nests])
        text = (
            "".join(map(_global, stored)) + f"  func.func @main({', '.join(arguments)}) {{\n{body}\n    return\n  }}\n"
        )
        data = [tensor.data for tensor in inputs if tensor.data is not None]
        unset = [np.full(tensor.shape, 77).astype(DTYPES[tensor.element]) for tensor in outputs]
        return Program(f"module {{\n{text}}}\n", (*data, *unset), len(outputs), self.exact)


def _global(tensor: Tensor) -> str:
    assert tensor.data is not None
    contents = f"dense<{tensor.data.tolist()}>"
    return f'  memref.global "private" constant @{tensor.name} : {tensor.type} = {contents}\n'


def _argument(tensor: Tensor, kind: str) -> str:
    return f'%{tensor.name}: {tensor.type} {{polystage.name = "{tensor.name}", polystage.kind = "{kind}"}}'
