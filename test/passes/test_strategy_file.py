"""Strategy files of map-banks: what is exported is read back, errors name the entry; explain shows every place."""

import json
import re
from pathlib import Path

import pytest
from flow import parse
from rich.console import Console
from test_replicated import normalised
from torch_mlir import ir

from polystage.analysis.banks import Banks
from polystage.errors import UserError
from polystage.passes.banks.problem import ONE_LANE, REPLICATED
from polystage.passes.banks.strategy import Pins, read_pins
from polystage.pipeline import PassFailure, Registry, run_pipeline
from polystage.report.banks import show, strategy_file

REGISTRY = Registry("polystage.passes")
GIVEN = {
    "layouts": {"a": 1, "s": "replicated", "m": "replicated"},
    "implementations": {"y#0": {"kind": "elementwise", "lane": 1}},
}


def mapped(file: Path) -> Banks:
    """What map-banks decides with these pins."""
    module = parse(normalised(16, 24))
    run_pipeline(module.operation, f"set-target{{name=tiny}},map-banks{{strategy-file={file}}}", REGISTRY)
    with module.context, ir.Location.unknown():
        found = Banks.of_module(module.operation)
    assert found is not None
    return found


def read(text: str, folder: Path) -> Pins:
    """The pins of a file with that text."""
    file = folder / "pins.json"
    file.write_text(text, encoding="utf-8")
    return read_pins(str(file))


def test_what_is_exported_is_read_back(tmp_path: Path):
    first = tmp_path / "first.json"
    first.write_text(json.dumps(GIVEN), encoding="utf-8")
    banks = mapped(first)
    assert banks.nests["s#1"].replicated
    assert banks.nests["m#0"].replicated
    second = tmp_path / "second.json"
    second.write_text(strategy_file(banks), encoding="utf-8")
    again = mapped(second)
    assert again.nests == banks.nests
    assert {home.name: home.layout for home in again.arrays} == {home.name: home.layout for home in banks.arrays}
    assert again.objective_ns == banks.objective_ns


def test_explain_names_every_place(tmp_path: Path):
    first = tmp_path / "first.json"
    first.write_text(json.dumps({"layouts": {"a": 1}, "implementations": GIVEN["implementations"]}), encoding="utf-8")
    banks = mapped(first)
    (means,) = [home for home in banks.arrays if home.name == "m"]
    assert means.layout == "replicated"
    assert means.asked == ("m#0 (elementwise) writes on every lane", "y#0 (elementwise) reads on every lane")
    assert set(means.alternatives) == {"0", "-1"}
    console = Console(width=200, record=True)
    show(banks, ["m"], console)
    text = console.export_text()
    assert "all of it on every lane" in text
    assert "one lane: +" in text
    assert "dimension 0: +" in text


def test_places(tmp_path: Path):
    pins = read('{"layouts": {"a": 1, "b": null, "c": "replicated"}}', tmp_path)
    assert pins.layouts == {"a": 1, "b": ONE_LANE, "c": REPLICATED}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            '{"layouts": {"a": "everywhere"}}',
            'layout of \'a\' is a dimension, null or "replicated", not "everywhere"',
        ),
        (
            '{"implementations": {"a#0": {"kind": "fold", "replicated": true}}}',
            "implementation of 'a#0': npu.implementation may be replicated, without a value, where kind is",
        ),
        (
            '{"implementations": {"a#0": {"kind": "reduce", "lane": 0, "replicated": 2}}}',
            "implementation of 'a#0': npu.implementation may be replicated, without a value, where kind is",
        ),
        (
            '{"implementations": {"a#0": {"kind": "reduce", "lane": true}}}',
            "implementation of 'a#0': npu.implementation has kind, and as numbers lane, rows, stationary; not lane",
        ),
        (
            '{"implementations": {"a#0": {"lanes": null}}}',
            "implementation of 'a#0' is an object of kind, lane, rows, stationary, replicated",
        ),
    ],
)
def test_what_is_no_strategy_is_refused(text: str, error: str, tmp_path: Path):
    with pytest.raises(UserError, match=re.escape(error)):
        read(text, tmp_path)


def test_an_array_that_no_lane_holds_is_refused(tmp_path: Path):
    file = tmp_path / "pins.json"
    file.write_text('{"layouts": {"a": "replicated"}}', encoding="utf-8")
    module = parse(normalised(400, 400))
    with pytest.raises(PassFailure, match=r"'a' is pinned to every lane and takes 640,000 bytes, a lane has [0-9,]+"):
        run_pipeline(module.operation, f"set-target{{name=tiny}},map-banks{{strategy-file={file}}}", REGISTRY)
