#!/usr/bin/env python3
"""What fusion and instruction selection save: ``fusion_table.py [--dtype D] [--target T] [MODEL ...]``.

Two markdown tables. The first lowers each model to where nests are fused (weights on the meta device): scalar
operations executed (widening casts apart) and multiply-accumulates, before and after. The second compiles single
operators for one tile: the instructions of the nests as imported, one instruction for each scalar operation of the
fused bodies, and the instructions selected (transfers apart).
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from torch_mlir import ir

import polystage
from copies_table import models
from polystage import dialects, importers
from polystage.analysis.compulsory import macs
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Scalar, constant_trip, main_function
from polystage.analysis.reductions import WIDENING
from polystage.analysis.traffic import instructions
from polystage.compilation import REGISTRY, lower, plan
from polystage.pipeline import run_pipeline
from polystage.report.table import human_count

SHAPE = (128, 768)


def fused(name: str, model: Any, inputs: Sequence[Any], target: str) -> str:
    """A row of the first table."""
    context = ir.Context()
    dialects.register(context)
    with context:
        module = importers.import_model(model, tuple(inputs), context=context).module.operation
        stages = plan(target, None, {})
        at = next(position for position, stage in enumerate(stages) if stage.name == "fuse-nests")
        lower(module, stages[:at], lambda stage: None)
        before = macs(module)
        result = run_pipeline(module, stages[at].pipeline, REGISTRY)
        found = {each.name: each.value for each in result.statistics}
        old, new = found["operations-before"], found["operations-after"]
        cells = (str(found.get("fused", 0)), *map(human_count, (old, new, old - new)))
        return _row(name, *cells, *map(human_count, (before, macs(module))))


def operators() -> Iterator[tuple[str, Any]]:
    """Names and modules of what the second table compiles."""
    from torch import nn

    yield "gelu", nn.GELU()
    yield "gelu, tanh", nn.GELU(approximate="tanh")
    yield "softmax", nn.Softmax(-1)
    yield "layer norm", nn.LayerNorm(SHAPE[-1])
    yield "swish", nn.SiLU()
    yield "hard-swish", nn.Hardswish()


def selected(name: str, module: Any, target: str, dtype: str) -> str:
    """A row of the second table."""
    import torch

    inputs = (torch.zeros(SHAPE),)
    unfused = polystage.compile(module, inputs, target, None, {"fuse-nests": "off"}, dtype, name=name)
    compiled = polystage.compile(module, inputs, target, None, {}, dtype, name=name)
    counts = [_executed(unfused.module("npu")), _scalar_operations(compiled.module("placed"))]
    return _row(name, *map(str, counts), str(_executed(compiled.module("npu"))))


def _executed(module: ir.Operation) -> int:
    """Instructions that engines execute."""
    block = main_function(module).regions[0].blocks[0]
    return sum(trips for op, trips in instructions(block, 1) if not op.name.startswith("npu.dma"))


def _scalar_operations(module: ir.Operation) -> int:
    """Scalar operations of the bodies of compute nests, times the trips of the tile loops around them."""
    with module.context:
        return sum(_operations(op, 1) for op in main_function(module).regions[0].blocks[0].operations)


def _operations(view: ir.OpView, trips: int) -> int:
    op = view.operation
    if op.name != "affine.for":
        return 0
    if "npu.nest" in op.attributes:
        computes = ir.StringAttr(op.attributes["npu.nest"]).value == "compute"
        nodes = read_nest(op).nodes if computes else ()
        return trips * sum(isinstance(node, Scalar) and node.name not in WIDENING for node in nodes)
    return sum(_operations(inner, trips * constant_trip(op)) for inner in op.regions[0].blocks[0].operations)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _head(*cells: str) -> str:
    return f"{_row(*cells)}\n|{'---|' * len(cells)}"


def main() -> int:
    """Prints the tables as they grow."""
    parser = argparse.ArgumentParser(description="What fusion and instruction selection save, as markdown.")
    parser.add_argument("models", metavar="MODEL", nargs="*", help="default: the twelve models of the zoo")
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="bf16", help="default: %(default)s")
    parser.add_argument("--target", default="trainium1", help="default: %(default)s")
    arguments = parser.parse_args()
    print(_head("model", "nests fused", "operations before", "after", "fewer", "MACs before", "after"), flush=True)
    for name, model, inputs in models(arguments.models, (), arguments.dtype):
        print(fused(name, model, inputs, arguments.target), flush=True)
    print(f"\n{_head('operator', 'instructions, not fused', 'one for each operation', 'selected')}", flush=True)
    for name, module in operators():
        print(selected(name, module, arguments.target, arguments.dtype), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
