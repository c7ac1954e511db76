import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from polystage.errors import UserError
from polystage.report import table
from polystage.report.report import (
    Bounds,
    Check,
    CompileSeconds,
    Copies,
    Dram,
    Instructions,
    Moved,
    Onchip,
    Relayout,
    Report,
    RunSeconds,
    Sbuf,
    Time,
    write,
)

COMPILED = Report(
    model="resnet18",
    target="trainium1",
    sbuf=Sbuf(capacity=24 << 20, peak=3 << 20),
    nests=71,
    macs=1_814_073_344,
    copies=Copies(found=20, eliminated=0, bytes_found=12_000_000, bytes_eliminated=0),
    relayout=Relayout(count=0, bytes=0),
    dram=Dram(400_000_000, 100_000_000, 500_000_000, 48_000_000, 10.42, {"load": 400_000_000, "store": 100_000_000}),
    bounds=Bounds(48_000_000, 52_000_000, "t7", 9.62, 2000.0, 191.0),
    onchip=Onchip({"tensor": 10**9, "dma": 8 * 10**8}),
    instructions=Instructions({"matmul": 12_000, "dma_start": 40_000}),
    predicted=Moved(dram=500_000_000, onchip=1_800_000_000),
    compile_seconds=CompileSeconds({"torch_export": 1.2, "import": 0.1}, 1.3),
)
TIME = Time(
    modelled_us=12345.6,
    compute_bound_us=2000.0,
    dram_bound_us=191.0,
    over_bound=6.17,
    exposed_dma_us=8500.0,
    busy_us_by_engine={"tensor": 2100.0, "dma": 9000.0},
    utilisation_by_engine={"tensor": 0.17, "dma": 0.73},
    lanes_by_engine={"tensor": 0.88},
)
RUN = COMPILED.with_run(COMPILED.predicted, True, TIME, RunSeconds(3.2, 0.05))

# The keys that issue 2 promises to scripts that read the JSON.
KEYS = {
    "model": None,
    "target": None,
    "sbuf": {"capacity", "peak"},
    "nests": None,
    "macs": None,
    "copies": {"found", "eliminated", "bytes_found", "bytes_eliminated"},
    "relayout": {"count", "bytes"},
    "dram": {"read", "written", "total", "compulsory", "ratio", "by_cause"},
    "onchip": {"bytes_by_engine"},
    "instructions": {"by_op"},
    "predicted": {"dram", "onchip"},
    "executed": {"dram", "onchip"},
    "bounds": {"compulsory_bytes", "communication_bytes", "ratio", "compute_us", "dram_us"},
    "time": {"modelled_us", "compute_bound_us", "dram_bound_us", "exposed_dma_us", "lanes_by_engine"},
    "compile_seconds": {"by_stage", "total"},
    "check": {"passed", "max_abs_error", "max_rel_error", "tolerance"},
}


def _text(report: Report) -> str:
    out = io.StringIO()
    table.show(report, Console(file=out, width=100, highlight=False))
    return out.getvalue()


def test_json_has_the_promised_keys() -> None:
    data = json.loads(replace(RUN, check=Check(True, 1e-6, 2e-6, 6e-5)).to_json())
    for key, inner in KEYS.items():
        assert key in data
        assert inner is None or inner <= data[key].keys()


def test_what_only_a_run_can_tell_is_null_before_it() -> None:
    data = json.loads(COMPILED.to_json())
    assert [data[key] for key in ("executed", "time", "check", "run_seconds")] == [None] * 4


def test_json_round_trips(tmp_path: Path) -> None:
    write(RUN, tmp_path / "report.json")
    assert Report.from_json((tmp_path / "report.json").read_text()) == RUN
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_malformed_report_is_located() -> None:
    with pytest.raises(UserError, match=r"old\.json: error: not a polystage report: sbuf: field required"):
        Report.from_json('{"model": "m", "target": "t"}', "old.json")


def test_missing_folder_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        write(RUN, tmp_path / "nowhere" / "report.json")


def test_table_shows_the_figures_that_matter() -> None:
    text = _text(replace(RUN, check=Check(True, 1e-6, 2e-6, 6e-5)))
    for figure in (
        "1.81 G",
        "500 MB",
        "10.42x",
        "3 MiB of 24 MiB (12%)",
        "40,000",
        "12.35 ms",
        "52.0 MB at t7",
        "9.62x",
    ):
        assert figure in text
    assert "time on the target, 6.17x its bound" in text
    assert "17%, 88% lanes" in text
    assert "8.50 ms" in text
    assert "✔ predicted bytes == executed bytes: DRAM 500,000,000, on chip 1,800,000,000" in text
    assert "✔ outputs agree with PyTorch eager" in text


def test_table_marks_what_failed() -> None:
    wrong = COMPILED.with_run(Moved(1, 2), False, TIME, RunSeconds(1.0))
    text = _text(replace(wrong, check=Check(False, 1.0, 0.5, 6e-5)))
    assert "✘ predicted bytes != executed bytes: DRAM 500,000,000 predicted, 1 executed" in text
    assert "✘ outputs disagree with PyTorch eager" in text


def test_table_before_a_run_says_so() -> None:
    assert "not executed" in _text(COMPILED)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (999_900, "1.00 MB"), (46_800_000, "46.8 MB")]
)
def test_bytes_have_three_digits(count: int, text: str) -> None:
    assert table.human_bytes(count) == text
