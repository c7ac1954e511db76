"""The built-in targets: their numbers, and what each number stands on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from polystage import machine
from polystage.errors import UserError
from polystage.machine import loader

FILES = sorted(Path(loader.__file__).parent.glob("*.toml"))
NUMBER = re.compile(r"\s*(\w+ = (\d|\"\d|\{)|\{ )")
STANDING = re.compile(r"# (pub|der|assume|ours)\b")


def test_names() -> None:
    assert machine.names() == ("edge", "gemmini", "inferentia1", "tiny", "trainium1", "trainium2")
    assert all(machine.load(name).name == name for name in machine.names())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_number_says_what_it_stands_on(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if NUMBER.match(line) and not line.startswith("#")]
    assert len(lines) > 30
    assert [line for line in lines if not STANDING.search(line)] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_assumed_lists_the_numbers_marked_as_assumptions(file: Path) -> None:
    marked: list[str] = []
    table = group = ""
    for line in file.read_text().splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("["):
            table = line.strip("[]") + "."
        key = line.split(" = ")[0]
        group = table + key if line.endswith("= [") else "" if line == "]" else group
        if "# assume" in line:
            marked.append(group or table + key)
    assert list(dict.fromkeys(marked)) == list(machine.load(file.stem).assumed)


@pytest.mark.parametrize(
    ("name", "dtype", "tflops"),
    [
        ("trainium1", "bf16", 92), ("trainium1", "f32", 23), ("trainium2", "bf16", 79), ("trainium2", "f32", 20),
        ("inferentia1", "bf16", 16),
    ],
)  # fmt: skip
def test_published_rates_follow_from_rows_columns_and_clock(name: str, dtype: str, tflops: float) -> None:
    assert machine.load(name).matrix.tflops(dtype) == pytest.approx(tflops, rel=0.02)


def test_published_sizes() -> None:
    mib = 1 << 20
    sizes = {name: machine.load(name).sbuf_bytes / mib for name in machine.names()}
    assert sizes == {
        "trainium1": 24, "trainium2": 28, "inferentia1": 16, "gemmini": 0.25, "edge": 0.25, "tiny": 16 / 1024,
    }  # fmt: skip
    psum = machine.load("trainium1").psum
    assert psum.lanes * psum.bytes_per_lane == 2 * mib


def test_dma_binds_on_trainium1() -> None:
    target = machine.load("trainium1")
    assert target.dma.bytes_per_s == pytest.approx(272e9)
    assert target.dram.bytes_per_s == pytest.approx(410e9)


def test_start_lanes_of_trainium1() -> None:
    target = machine.load("trainium1")
    assert [target.start_multiple(lanes) for lanes in (1, 32, 33, 64, 65, 128)] == [32, 32, 64, 64, 128, 128]


def test_dma_efficiency_rises_to_one() -> None:
    dma = machine.load("trainium1").dma
    values = [dma.efficiency_at(size) for size in (0, 1, 128, 256, 1000, 2048, 3000, 4096, 1 << 20)]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-2:] == [1, 1]
    assert dma.efficiency_at(128) == pytest.approx(dma.efficiency_at(256) / 2)


def test_moving_size_fits_one_bank() -> None:
    assert {name: machine.load(name).max_moving_f32 for name in machine.names()} == {
        "edge": 256, "gemmini": 16, "inferentia1": 512, "tiny": 16, "trainium1": 512, "trainium2": 512,
    }  # fmt: skip


def test_cycle_factor_refuses_what_the_engine_does_not_take() -> None:
    with pytest.raises(UserError, match=r"matrix engine of trainium1 does not take i8; it takes f32, bf16, f16"):
        machine.load("trainium1").cycle_factor("i8")


def test_faster_types() -> None:
    vector = machine.load("trainium2").vector
    assert (vector.rate("bf16"), vector.rate("f32")) == (512, 256)


def test_description() -> None:
    rows = {row.name: row for row in machine.describe()}
    assert set(rows) == set(machine.names())
    cells = rows["trainium1"].cells()
    assert cells[:4] == ("trainium1", "128 x 192KiB = 24MiB", "128 x 8 x 2KiB", "128 x 128 @ 2.8 GHz")
    assert cells[5:7] == ("410", "272")
    assert rows["trainium1"].standing.startswith("published by AWS; assumed in part: ")
    assert "dma" in rows["inferentia1"].standing
    assert rows["edge"].standing == "ours, for capacity studies"


def test_loading_a_target_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom polystage import machine\nmachine.describe()\n"
        "print([m for m in ('numpy', 'torch', 'torch_mlir', 'pydantic', 'islpy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
