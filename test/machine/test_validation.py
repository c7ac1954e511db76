"""A wrong target is refused with the file, the key, the number and what would be right."""

from pathlib import Path

import pytest

from polystage import machine
from polystage.errors import UserError

TINY = (Path(machine.__file__).parent / "tiny.toml").read_text()


def edited(old: str, new: str) -> str:
    assert old in TINY
    return TINY.replace(old, new, 1)


def refusal(text: str, folder: Path) -> UserError:
    file = folder / "mine.toml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        machine.load(str(file))
    assert caught.value.location == str(file)
    return caught.value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (edited("lanes = 8 ", "lane = 8 "), "lane: unknown key; expected one of name, source, assumed, lanes,"),
        (edited("banks = 2", "bank = 2"), "psum.bank: unknown key; expected one of lanes, banks, bytes_per_bank"),
        (edited("lanes = 8 ", "# "), "lanes: missing key (lanes of SBUF)"),
        (edited("columns = 8", "# "), "matrix.columns: missing key (greatest stationary free size M)"),
        (edited("[dram]", "[dram_]"), "dram_: unknown key"),
        (TINY[: TINY.index("[dram]")], "dram: missing key (a table)"),
        (edited("lanes = 8 ", 'lanes = "8" '), "lanes: expected an integer, got '8'"),
        (edited("lanes = 8 ", "lanes = 8.0 "), "lanes: expected an integer, got 8.0"),
        (edited("lanes = 8 ", "lanes = true "), "lanes: expected an integer, got True"),
        (edited("clock_ghz = 1.0", 'clock_ghz = "fast"'), "matrix.clock_ghz: expected a number, got 'fast'"),
        (edited('name = "tiny"', "name = 3"), "name: expected text, got 3"),
        (edited("clock_ghz = 1.0", "clock_ghz = [1.0]"), "matrix.clock_ghz: expected a number, got a list"),
        (edited("cycle_factor = {", "cycle_factor = 1 #"), "matrix.cycle_factor: expected a table, got 1"),
        (edited('dtypes = [', 'dtypes = "f32" #'), "dtypes: expected a list, got 'f32'"),
        (edited("lanes = 8 ", "lanes = 0 "), "lanes: must be at least 1 lanes, got 0"),
        (edited("banks = 2", "banks = -2"), "psum.banks: must be at least 1, got -2"),
        (edited("clock_ghz = 1.0", "clock_ghz = 0.0"), "matrix.clock_ghz: must be above 0 GHz, got 0"),
        (edited("fixed_ns = 100", "fixed_ns = -1"), "dma.fixed_ns: must be at least 0 ns, got -1"),
        (edited('"2KiB"', '"2 kilo"'), "bytes_per_lane: '2 kilo' is no size in bytes; write it as 262144, 256KiB"),
        (edited('"2KiB"', "2050"), "bytes_per_lane: 2050 is not a multiple of alignment, which is 4"),
        (edited("reserved_bytes_per_lane = 0", "reserved_bytes_per_lane = 6"), "6 is not a multiple of alignment"),
        (edited('"2KiB"', "8"), "8 is too small: 0 reserved bytes and three aligned fp32 elements need 12"),
        (edited("bytes_per_bank = 64", "bytes_per_bank = 66"), "psum.bytes_per_bank: 66 is not a multiple of 4"),
        (edited("rows = 8", "rows = 16"), "matrix.rows: 16 contraction rows, but SBUF has 8 lanes"),
        (edited("columns = 8", "columns = 16"), "matrix.columns: 16 columns, but PSUM has 8 lanes"),
        (edited("{ lanes = 8, m", "{ lanes = 4, m"), "the last rule has to be for all 8 lanes, it is for 4"),
        (
            edited("{ lanes = 8, multiple = 2 }", "{ lanes = 4, multiple = 4 }, { lanes = 8, multiple = 2 }"),
            "start_lanes[1]: rules have to ascend: {8 lanes, multiple 2} follows {4 lanes, multiple 4}",
        ),
        (edited("multiple = 2", "multiple = 0"), "start_lanes[0].multiple: must be at least 1 lanes, got 0"),
        (edited('"i8", ', '"i7", '), "dtypes[1]: unknown element type 'i7'; known are i1, i8, i32, f16, bf16, f32"),
        (edited('"i8", ', ""), "matrix.cycle_factor.i8: not among dtypes, which are i1, i32, f16, bf16, f32"),
        (edited("i8 = 1", "i8 = 0"), "matrix.cycle_factor.i8: must be above 0, got 0"),
        (edited("cycle_factor = {", "# "), "matrix.cycle_factor: names no element type"),
        (edited("fraction = 1.0", "fraction = 1.5"), "dma.efficiency[0].fraction: must be at most 1, got 1.5"),
        (
            edited("{ bytes = 16,", "{ bytes = 16, fraction = 1.0 }, { bytes = 8,"),
            "dma.efficiency[1]: points have to ascend: 8 bytes follow 16",
        ),
        (edited("lanes = 8 ", "lanes = "), "malformed TOML: Invalid value (at line 6"),
    ],
)  # fmt: skip
def test_refused(text: str, message: str, tmp_path: Path) -> None:
    assert message in refusal(text, tmp_path).message


def test_all_problems_are_shown(tmp_path: Path) -> None:
    text = edited("rows = 8", "rows = 16").replace("columns = 8", "columns = 16")
    error = refusal(text, tmp_path)
    assert error.message.startswith("matrix.rows: ")
    assert error.notes == ("matrix.columns: 16 columns, but PSUM has 8 lanes",)


def test_unknown_name() -> None:
    with pytest.raises(UserError, match=r"unknown target 'trainium3'; built in are edge, gemmini, .*\.toml file"):
        machine.load("trainium3")


def test_missing_file() -> None:
    with pytest.raises(UserError) as caught:
        machine.load("no/such.toml")
    assert str(caught.value) == "no/such.toml: error: cannot read the target: No such file or directory"


def test_a_users_own_target(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(edited('name = "tiny"', 'name = "mine"').replace('"2KiB"', '"4KiB"'))
    mine = machine.load(str(file))
    assert (mine.name, mine.bytes_per_lane) == ("mine", 4096)


def test_sizes_are_read_and_written() -> None:
    sizes = {"262144": 262144, "256KiB": 262144, "24 MiB": 24 << 20, "1.5KiB": 1536, "7B": 7, "1GiB": 1 << 30}
    assert {text: machine.parse_bytes(text) for text in sizes} == sizes
    for count in (1, 100, 1536, 4096, 3 << 20, 5 << 30):
        assert machine.parse_bytes(machine.format_bytes(count)) == count


@pytest.mark.parametrize("text", ["", "KiB", "256kb", "-1", "1e6", "0.3B"])
def test_no_size(text: str) -> None:
    with pytest.raises(UserError, match=r"size in bytes|whole number"):
        machine.parse_bytes(text)


def test_sbuf_of_another_size() -> None:
    edge = machine.load("edge")
    assert edge.with_sbuf(64 << 10).bytes_per_lane == 4096
    assert edge.with_sbuf(100_000).bytes_per_lane == 6248
    assert edge.with_sbuf(edge.smallest_bytes_per_lane * edge.lanes).bytes_per_lane == 12
    with pytest.raises(UserError) as caught:
        edge.with_sbuf(191)
    assert caught.value.message == (
        "191B of SBUF give 8 bytes on each of the 16 lanes of edge, which needs at least 12; "
        "the smallest SBUF is 192 bytes (192B)"
    )
