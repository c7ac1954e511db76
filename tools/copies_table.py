#!/usr/bin/env python3
"""What becomes of every copy nest of the zoo: ``copies_table.py [--dtype D] [--layers N,N] [MODEL ...]``.

Compiles each model twice without executing it (weights on the meta device), with and without hoisting, elimination and
fusion, proves every elimination, and prints one markdown row for each model and a line for each kept copy. ``--layers``
measures BERT encoders of those depths instead.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import polystage
from polystage import Compiled, zoo
from polystage.analysis.compulsory import macs
from polystage.report.report import Moved
from polystage.report.table import human_bytes, human_count

MOVES = ("hoist", "forward", "join", "coalesce", "split", "initialise", "unread")
OFF = {"hoist-parameters": "off", "eliminate-copies": "off", "fuse-nests": "off"}
HEADERS = (
    "model",
    "copies found",
    *MOVES,
    "kept",
    "pairs gone",
    "bytes gone",
    "DRAM before",
    "no copies",
    "and fused",
    "on chip before",
    "no copies",
    "and fused",
    "MACs before",
    "after",
    "hoist s",
    "eliminate s",
    "certify s",
    "certificates",
    "refused",
)


def models(names: Sequence[str], layers: Sequence[int], dtype: str | None) -> Iterator[tuple[str, Any, Any]]:
    """Name, module and inputs of what is measured."""
    import torch

    kind = {None: torch.float32, "f32": torch.float32, "bf16": torch.bfloat16}[dtype]
    for name in () if layers else names or zoo.names():
        yield (name, *zoo.load(name, device="meta", dtype=kind))
    if layers:
        import transformers

        config_of: Any = transformers.BertConfig
        bert: Any = transformers.BertModel
        for count in layers:
            with torch.device("meta"):
                config = config_of(num_hidden_layers=count, attn_implementation="eager")
                model = bert(config, add_pooling_layer=False).to(kind).eval()
                model.embeddings.register_buffer("position_ids", torch.arange(512, device="cpu").reshape(1, -1))
                model.embeddings.register_buffer("token_type_ids", torch.zeros(1, 512, dtype=torch.int64, device="cpu"))
                inputs = torch.zeros(1, 128, dtype=torch.int64)
            yield f"bert, {count} layers", model, (inputs,)


def row(name: str, compiled: Compiled, copied: Moved, unfused: Moved) -> str:
    """A markdown row; ``copied`` and ``unfused`` are the bytes moved with all passes off, and with fusion off."""
    report = compiled.report
    copies, stages = report.copies, report.compile_seconds.by_stage
    begin = time.perf_counter()
    verdict = compiled.certify()
    certify = time.perf_counter() - begin
    kept = copies.found - copies.eliminated
    cells = [name, f"{copies.found}, {human_bytes(copies.bytes_found)}"]
    for move in MOVES:
        moved = copies.by_move.get(move)
        cells.append(f"{moved.count}, {human_bytes(moved.bytes)}" if moved else "-")
    cells += [
        f"{kept}, {human_bytes(copies.bytes_found - copies.bytes_eliminated)}",
        f"{copies.eliminated / max(1, copies.found):.1%}",
        f"{copies.bytes_eliminated / max(1, copies.bytes_found):.1%}",
        *(human_bytes(moved.dram) for moved in (copied, unfused, report.predicted)),
        *(human_bytes(moved.onchip) for moved in (copied, unfused, report.predicted)),
        human_count(report.macs),
        human_count(macs(compiled.module("copy-free"))),
        f"{stages['hoist-parameters']:.2f}",
        f"{stages['eliminate-copies']:.2f}",
        f"{certify:.2f}",
        str(len(verdict.proved)),
        str(len(verdict.refusals)),
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Prints the table as it grows."""
    parser = argparse.ArgumentParser(description="What becomes of every copy nest, as markdown.")
    parser.add_argument("models", metavar="MODEL", nargs="*", help="default: the twelve models of the zoo")
    parser.add_argument("--dtype", choices=("f32", "bf16"), help="as in polystage compile")
    parser.add_argument("--layers", metavar="N,...", default="", help="BERT encoders of these depths instead")
    arguments = parser.parse_args()
    layers = [int(word) for word in arguments.layers.split(",") if word]
    print("| " + " | ".join(HEADERS) + " |\n|" + "---|" * len(HEADERS), flush=True)
    reasons: list[str] = []
    for name, model, inputs in models(arguments.models, layers, arguments.dtype):
        copied = polystage.compile(model, inputs, strategy=OFF, name=name).report.predicted
        unfused = polystage.compile(model, inputs, strategy={"fuse-nests": "off"}, name=name).report.predicted
        compiled = polystage.compile(model, inputs, name=name)
        print(row(name, compiled, copied, unfused), flush=True)
        reasons += [
            f"{name}: {copy.source} to {copy.target}, {human_bytes(copy.bytes)}: {copy.reason}"
            for copy in compiled.report.copies.kept
        ]
    print("\nkept:\n" + "\n".join(f"- {reason}" for reason in reasons))
    return 0


if __name__ == "__main__":
    sys.exit(main())
