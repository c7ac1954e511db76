#!/usr/bin/env python3
"""What each strategy of map-banks does to the zoo: ``banks_table.py [--target T] [--layers N,N] [MODEL ...]``.

Lowers each model to where banks are mapped (weights on the meta device) and runs every strategy on a copy; prints a
markdown row for each. Relayouts include private copies; DRAM bytes are those that arguments cost beyond being loaded
once; the objective is modelled time with the price of relayout bytes. ``--layers`` measures BERT encoders of those
depths instead.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from torch_mlir import ir

from copies_table import models
from polystage import dialects, importers
from polystage.analysis.banks import Banks
from polystage.compilation import REGISTRY, lower, plan
from polystage.pipeline import run_pipeline
from polystage.report.table import human_bytes

STRATEGIES = ("local", "greedy", "propagate", "global")
HEADERS = (
    "model",
    "strategy",
    "relayouts",
    "bytes",
    "DRAM by layout",
    "lanes busy",
    "engines ms",
    "objective ms",
    "gap",
    "seconds",
)


def prepared(model: Any, inputs: Sequence[Any], target: str, context: ir.Context) -> ir.Operation:
    """The module as map-banks finds it."""
    imported = importers.import_model(model, tuple(inputs), context=context)
    module = imported.module.operation
    stages = plan(target, None, {})
    before = next(position for position, stage in enumerate(stages) if stage.name == "map-banks")
    lower(module, stages[:before], lambda stage: None)
    return module


def rows(name: str, module: ir.Operation) -> Iterator[str]:
    """A markdown row for each strategy."""
    for strategy in STRATEGIES:
        copy = module.clone().operation
        begin = time.perf_counter()
        run_pipeline(copy, f"map-banks{{strategy={strategy}}}", REGISTRY)
        seconds = time.perf_counter() - begin
        found = Banks.of_module(copy)
        assert found is not None
        cells = [
            name,
            strategy,
            str(found.relayouts),
            human_bytes(found.relayout_bytes),
            human_bytes(found.dram_bytes),
            f"{found.lane_utilisation:.0%}",
            f"{found.engine_ns / 1e6:.2f}",
            f"{found.objective_ns / 1e6:.2f}",
            f"{found.gap:.2%}" if strategy == "global" else "-",
            f"{seconds:.2f}",
        ]
        yield "| " + " | ".join(cells) + " |"


def main() -> int:
    """Prints the table as it grows."""
    parser = argparse.ArgumentParser(description="What each strategy of map-banks does, as markdown.")
    parser.add_argument("models", metavar="MODEL", nargs="*", help="default: the twelve models of the zoo")
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="bf16", help="default: %(default)s")
    parser.add_argument("--target", default="trainium1", help="default: %(default)s")
    parser.add_argument("--layers", metavar="N,...", default="", help="BERT encoders of these depths instead")
    arguments = parser.parse_args()
    layers = [int(word) for word in arguments.layers.split(",") if word]
    print("| " + " | ".join(HEADERS) + " |\n|" + "---|" * len(HEADERS), flush=True)
    for name, model, inputs in models(arguments.models, layers, arguments.dtype):
        context = ir.Context()
        dialects.register(context)
        with context:
            for row in rows(name, prepared(model, inputs, arguments.target, context)):
                print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
