"""The trace that Perfetto reads."""

import json
from pathlib import Path

import numpy as np
import pytest
from torch_mlir import ir

from polystage import dialects, machine
from polystage.errors import UserError
from polystage.interp import npu
from polystage.interp.timing import Event, Timeline
from polystage.report import trace

BODY = """
  %a = memref.alloc() {npu.address = 0 : i64, polystage.name = "a"} : memref<8x4xf32, #npu.sbuf>
  %token = "npu.dma_start"(%x, %a) {sizes = array<i64: 8, 4>, cause = "load",
    maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>]}
    : (memref<8x4xf32>, memref<8x4xf32, #npu.sbuf>) -> !npu.token
  "npu.dma_wait"(%token) : (!npu.token) -> ()
  "npu.activation"(%a, %a) {sizes = array<i64: 8, 4>, func = "relu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0>,
    maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>]}
    : (memref<8x4xf32, #npu.sbuf>, memref<8x4xf32, #npu.sbuf>) -> ()
  return
"""


@pytest.fixture
def events() -> list[Event]:
    context = ir.Context()
    dialects.register(context)
    tiny = machine.load("tiny")
    with context:
        argument = '%x: memref<8x4xf32> {polystage.name = "x", polystage.kind = "input"}'
        marks = f"attributes {{polystage.target = {machine.to_attribute(tiny)}}}"
        module = ir.Module.parse(f"module {marks} {{ func.func @main({argument}) {{ {BODY} }} }}")
    timeline = Timeline(tiny, trace=True)
    npu.execute(module, [np.ones((8, 4), np.float32)], listeners=[timeline])
    assert timeline.events is not None
    return timeline.events


def test_a_slice_for_each_instruction_on_its_track(events: list[Event], tmp_path: Path) -> None:
    trace.write(events, "model on tiny", tmp_path / "trace.json")
    entries = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    tracks = {entry["tid"]: entry["args"]["name"] for entry in entries if entry["name"] == "thread_name"}
    slices = {entry["name"]: entry for entry in entries if entry["ph"] == "X"}
    assert {name: tracks[entry["tid"]] for name, entry in slices.items()} == {
        "dma_start": "dma queue 0",
        "activation": "scalar",
    }
    load, relu = slices["dma_start"], slices["activation"]
    assert (load["ts"], load["dur"]) == (0, pytest.approx(0.228))
    assert relu["ts"] == pytest.approx(0.232)
    assert load["args"] | {"at": ""} == {
        "reads": "x (dram)",
        "writes": "a (sbuf)",
        "cause": "load",
        "sizes": "8x4",
        "at": "",
    }
    assert entries[0]["args"]["name"] == "model on tiny"


def test_a_missing_folder_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        trace.check(tmp_path / "nowhere" / "trace.json")
