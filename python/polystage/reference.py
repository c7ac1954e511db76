"""What a compiled program is compared with: PyTorch eager, or MLIR's JIT where there is no PyTorch model."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch_mlir import ir

from polystage import signature
from polystage.report.tolerance import UNIT_ROUNDOFF, difference
from polystage.signature import Array, Binding


@dataclass(frozen=True)
class Expected:
    """Inputs, the outputs a correct program computes from them, and what is known about the reference.

    ``weights`` replace those of the program where it has none; ``seconds`` is PyTorch's own time; ``eager_error`` the
    relative error of PyTorch in the model's narrow type.
    """

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    weights: Mapping[str, Array] | None = None
    seconds: float | None = None
    eager_error: float = 0.0


class Reference(Protocol):
    """Computes what a program should give; without inputs it brings its own."""

    @property
    def name(self) -> str:
        """Who computed it, for the report."""
        ...

    def evaluate(self, inputs: Sequence[Any] = ()) -> Expected:
        """Runs the reference on the model's ``inputs``, or on its example inputs."""
        ...


@dataclass(frozen=True)
class Eager:
    """PyTorch eager in f32: a model in a narrow type is widened first, and its own error measured."""

    model: Any
    example: tuple[Any, ...]
    narrow: bool
    flatten: Callable[..., Sequence[Any]]
    name: str = "PyTorch eager"

    def evaluate(self, inputs: Sequence[Any] = ()) -> Expected:
        """Runs the model on ``inputs`` or on its example inputs."""
        from polystage.importers import eager
        from polystage.importers.imported import tensor_to_numpy

        given = tuple(inputs) or self.example
        arrays = tuple(tensor_to_numpy(leaf) for leaf in self.flatten(*given))
        outputs, seconds = eager.evaluate(self.model, given)
        if not self.narrow:
            return Expected(arrays, outputs, seconds=seconds)
        wide, _ = eager.evaluate(*eager.cast(self.model, given, "f32"))
        return Expected(arrays, wide, seconds=seconds, eager_error=difference(outputs, wide).max_rel)


@dataclass(frozen=True)
class Jit:
    """The affine level through MLIR's ExecutionEngine with random weights: for IR that came without a model."""

    module: ir.Operation
    name: str = "MLIR's JIT of the affine level"

    def evaluate(self, inputs: Sequence[Any] = ()) -> Expected:
        """Runs the affine level on ``inputs``, or on random ones."""
        from polystage.interp import jit

        arguments = signature.of_module(self.module)
        random = np.random.default_rng(0)
        weights = {binding.name: _random(binding, random) for binding in arguments.weights}
        arrays = tuple(inputs) or tuple(_random(binding, random) for binding in arguments.inputs)
        named = {**weights, **arguments.by_position(arrays)}
        values = [named[b.name] if b.name in named else b.empty() for b in arguments.bindings]
        jit.run(ir.Module.parse(self.module.get_asm(assume_verified=True), self.module.context), values)
        pairs = zip(arguments.bindings, values, strict=True)
        outputs = tuple(binding.give(value) for binding, value in pairs if binding.kind == "output")
        return Expected(arrays, outputs, weights)


def _random(binding: Binding, random: np.random.Generator) -> Array:
    """Values that keep a network in range: normal inputs, scaled matrices, positive vectors, integers 0."""
    dtype = signature.NUMPY[binding.element]
    if binding.element not in UNIT_ROUNDOFF:
        return np.zeros(binding.shape, dtype)
    if binding.kind == "input":
        return random.standard_normal(binding.shape).astype(dtype)
    if len(binding.shape) < 2:
        return random.uniform(0.5, 1.5, binding.shape).astype(dtype)
    return (random.standard_normal(binding.shape) / math.sqrt(math.prod(binding.shape[1:]))).astype(dtype)
