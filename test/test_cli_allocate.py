"""``polystage allocate``: columns kept, offsets added, sizes with units, and every error a user can cause."""

from pathlib import Path

import pytest

from polystage.alloc import problem_from_csv, solution_from_csv, validate
from polystage.cli import main

EXAMPLE = "id,lower,upper,size\nb1,0,3,4\nb2,3,9,4\nb3,0,9,4\nb4,9,21,4\nb5,0,21,4\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "in.csv").write_text(EXAMPLE)
    return tmp_path / "in.csv"


def _error(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["allocate", *words]) == 1
    return capsys.readouterr().err.strip()


def test_the_input_gets_a_column_of_offsets(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.parent / "out.csv"
    assert main(["allocate", str(file), "--capacity", "12", "-o", str(out)]) == 0
    text = out.read_text()
    assert [line.rsplit(",", 1)[0] for line in text.splitlines()] == EXAMPLE.splitlines()
    problem = problem_from_csv(EXAMPLE, 12)
    assert validate(problem, solution_from_csv(text)) == ()
    assert capsys.readouterr().err.startswith("5 buffers in 12 of 12 bytes, ")


def test_columns_of_the_user_and_old_offsets(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("id,why,lower,upper,offset,size,alignment,reuses\na,first,0,4,7,100,64,\nb,second,3,9,7,100,1,a\n")
    assert main(["allocate", str(file), "--capacity", "1KiB", "--seed", "3"]) == 0
    captured = capsys.readouterr()
    lines = "id,why,lower,upper,size,alignment,reuses,offset", "a,first,0,4,100,64,,0", "b,second,3,9,100,1,a,0"
    assert captured.out.splitlines() == list(lines)
    assert "in 100 of 1024 bytes" in captured.err


def test_too_small(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _error([str(file), "--capacity", "11"], capsys) == (
        f"{file}: error: no packing of 5 buffers: it needs 12 bytes, 11 are there, 1 too few; "
        "live at time 0: b1 (4), b3 (4), b5 (4); choose a larger --capacity"
    )


def test_nonsense_in_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("id,lower,upper,size\na,0,1,many\n")
    assert _error([str(file), "--capacity", "11"], capsys) == (
        f"{file}:2: error: column size: expected an integer, got 'many'"
    )


def test_no_such_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = file.with_name("none.csv")
    assert _error([str(missing), "--capacity", "11"], capsys) == (
        f"{missing}: error: cannot read the buffers: no such file or directory"
    )


def test_nowhere_to_write(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.parent / "none" / "out.csv"
    assert _error([str(file), "--capacity", "12", "-o", str(out)], capsys) == (
        f"{out}: error: cannot write the packing: no such file or directory"
    )


def test_no_size(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'12x' is no size in bytes; write it as" in _error([str(file), "--capacity", "12x"], capsys)
