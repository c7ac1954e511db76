"""A compiled program: its IR at each level, its weights, its report; it runs on arrays and saves to a folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch_mlir import ir

from polystage import loading, signature
from polystage.errors import UserError
from polystage.reference import Reference
from polystage.report import measure
from polystage.report import trace as traces
from polystage.report.report import Check, Report
from polystage.report.tolerance import UNIT_ROUNDOFF, difference, rounding_steps, tolerance
from polystage.signature import Array, Binding, Signature

if TYPE_CHECKING:
    from polystage.certify.eliminations import Verdict


class Compiled:
    """What ``polystage.compile`` returns.

    Calling it executes the npu program: torch tensors in give torch tensors, numpy arrays in give numpy arrays; one
    output comes bare, several as a tuple in the order of the model's flattened outputs. ``report`` is frozen; after a
    run it is a new one that holds what was executed.
    """

    def __init__(
        self,
        report: Report,
        levels: Mapping[str, ir.Operation],
        weights: Callable[[], Mapping[str, Array]],
        *,
        flatten: Callable[..., Sequence[Any]] | None = None,
        reference: Reference | None = None,
    ) -> None:
        self.report = report
        self.signature: Signature = signature.of_module(levels["npu"])
        self._levels = dict(levels)
        self._load_weights = weights
        self._bound: dict[str, Array] | None = None
        self._flatten = flatten
        self._reference = reference

    def module(self, level: str = "npu") -> ir.Operation:
        """The IR of a level: "linalg", "affine", "optimized", "placed" or "npu"; without weights, so it prints small.

        "hoisted" and "copy-free" lie between affine and optimized: what `certify` compares.
        """
        if level not in self._levels:
            raise UserError(f"no level '{level}'; this program has {', '.join(self._levels)}")
        return self._levels[level]

    @property
    def weights(self) -> Mapping[str, Array]:
        """Parameters, buffers and constants by name, in the element types of the program."""
        if self._bound is None:
            self._bound = self._loaded(self._load_weights())
        return self._bound

    def _loaded(self, given: Mapping[str, Array]) -> dict[str, Array]:
        """The weights of the program by name, from the model's own and what `@load` makes of them."""
        if any(binding.name not in given for binding in self.signature.weights):
            given = {**given, **loading.hoisted(self.module("npu"), given)}
        return {binding.name: binding.take(given[binding.name]) for binding in self.signature.weights}

    def __call__(self, *inputs: Any) -> Any:
        """Executes on the model's positional inputs."""
        leaves = self._flatten(*inputs) if self._flatten and not _all_numpy(inputs) else inputs
        in_torch = any(_is_torch(leaf) for leaf in leaves)
        outputs = tuple(self.run(self.signature.by_position([_array(leaf) for leaf in leaves])).values())
        if in_torch:
            from polystage.importers.eager import to_tensor

            outputs = tuple(to_tensor(array) for array in outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def run(self, inputs: Mapping[str, Array], *, trace: str | Path | None = None) -> dict[str, Array]:
        """Executes on named arrays, returns the outputs by name and puts what was executed into the report.

        ``trace`` is a file for the timeline, which Perfetto shows.
        """
        return self._run(inputs, self.weights, trace)

    def _run(
        self, inputs: Mapping[str, Array], weights: Mapping[str, Array], trace: str | Path | None
    ) -> dict[str, Array]:
        self.signature.check_names(list(inputs))
        arrays = [_argument(binding, inputs, weights) for binding in self.signature.bindings]
        program = self.module("npu")
        if trace is not None:
            traces.check(Path(trace))
        run = measure.execute(program, arrays, trace is not None)
        self.report = measure.with_run(self.report, program, run)
        if trace is not None:
            traces.write(run.events, f"{self.report.model} on {self.report.target}", Path(trace))
        pairs = zip(self.signature.bindings, arrays, strict=True)
        return {binding.name: binding.give(array) for binding, array in pairs if binding.kind == "output"}

    def check(self, *inputs: Any, trace: str | Path | None = None) -> Report:
        """Executes, compares with the reference (on its example inputs when none are given), returns the report.

        ``trace`` is as for ``run``.
        """
        if self._reference is None:
            raise UserError("nothing to compare with: this program came without its model or its example inputs")
        expected = self._reference.evaluate(inputs)
        weights = self.weights if expected.weights is None else self._loaded(expected.weights)
        outputs = self._run(self.signature.by_position(expected.inputs), weights, trace)
        found = difference(list(outputs.values()), expected.outputs)
        steps = rounding_steps(self.module("affine"))
        limit = tolerance(self._narrowest(), steps, expected.eager_error)
        passed = found.max_rel <= limit
        check = Check(passed, found.max_abs, found.max_rel, limit, self._reference.name)
        seconds = self.report.run_seconds and replace(self.report.run_seconds, pytorch=expected.seconds)
        self.report = replace(self.report, check=check, run_seconds=seconds)
        return self.report

    def certify(self) -> "Verdict":
        """Prove every elimination of a copy anew, from the IR before and after; shares no code with the pass."""
        from polystage.certify import eliminations

        before = self.module("hoisted")
        with before.context:
            return eliminations.check(before, self.module("copy-free"))

    def _narrowest(self) -> str:
        """The floating-point type of the arguments with the largest unit roundoff."""
        used = {binding.element for binding in self.signature.bindings} & UNIT_ROUNDOFF.keys()
        return max(used, key=lambda dtype: UNIT_ROUNDOFF[dtype], default="f32")

    def save(self, directory: str | Path) -> None:
        """Writes program, weights and report to ``directory``, which appears whole or not at all."""
        from polystage import storage

        storage.save(Path(directory), self._levels, self.weights, self.report)


def _argument(binding: Binding, inputs: Mapping[str, Array], weights: Mapping[str, Array]) -> Array:
    if binding.kind == "input":
        return binding.take(inputs[binding.name])
    return binding.empty() if binding.kind == "output" else weights[binding.name]


def _is_torch(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "torch"


def _all_numpy(inputs: Sequence[Any]) -> bool:
    """Whether the inputs are plain arrays already; others are flattened by PyTorch's rules."""
    return all(isinstance(value, np.ndarray | np.generic) for value in inputs)


def _array(leaf: Any) -> Array:
    if _is_torch(leaf):
        from polystage.importers.imported import tensor_to_numpy

        return tensor_to_numpy(leaf)
    return np.asarray(leaf)
