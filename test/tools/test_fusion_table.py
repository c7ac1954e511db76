import importlib
import sys
from pathlib import Path
from typing import Any

from polystage import zoo

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
table: Any = importlib.import_module("fusion_table")


def test_fusion_of_a_model_keeps_its_work() -> None:
    row = table.fused("tiny_mlp", *zoo.load("tiny_mlp", device="meta"), "tiny")
    _, _, fused, _, _, fewer, macs_before, macs_after, _ = [cell.strip() for cell in row.split("|")]
    assert int(fused) > 0
    assert not fewer.startswith("-")
    assert macs_before == macs_after


def test_selection_takes_fewer_instructions_than_a_body_has_operations() -> None:
    name, module = next((name, module) for name, module in table.operators() if name == "hard-swish")
    _, _, _, operations, selected, _ = [
        cell.strip() for cell in table.selected(name, module, "trainium1", "f32").split("|")
    ]
    assert int(selected) < int(operations)
