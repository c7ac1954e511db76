"""The command ``polystage allocate``: minimalloc CSV in, the same with offsets out."""

import csv
import io
import time
from dataclasses import dataclass
from pathlib import Path

from polystage.alloc.problem import Solution, problem_from_csv
from polystage.alloc.solver import Solver
from polystage.alloc.validator import validate
from polystage.errors import UserError

NODES = 1_000_000  # a minute or so for the hardest problems of some hundred buffers


@dataclass(frozen=True)
class Allocated:
    """``text`` is the input's CSV with the column ``offset``; the rest says how it went."""

    text: str
    buffers: int
    peak: int
    seconds: float


def allocate(file: Path, capacity: int, seed: int = 0) -> Allocated:
    """Pack the buffers of ``file`` into ``capacity`` bytes, and check the packing.

    Raises UserError for an unreadable file, nonsense in it, and when no packing is found.
    """
    text = _read(file)
    problem = problem_from_csv(text, capacity, str(file))
    begin = time.process_time()
    outcome = Solver(seed, NODES).solve(problem)
    seconds = time.process_time() - begin
    if not isinstance(outcome, Solution):
        lever = "choose a larger --capacity" if outcome.proved else "choose a larger --capacity or another --seed"
        raise UserError(f"no packing of {len(problem.buffers)} buffers: it {outcome}; {lever}", str(file))
    broken = validate(problem, outcome)
    assert not broken, broken
    return Allocated(with_offsets(text, outcome), len(problem.buffers), outcome.peak(problem), seconds)


def with_offsets(text: str, solution: Solution) -> str:
    """CSV ``text`` with its own columns, whatever they are, and ``offset`` as the last one."""
    reader = csv.DictReader(io.StringIO(text), restval="")
    columns = [name for name in reader.fieldnames or () if name != "offset"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*columns, "offset"])
    for row in reader:
        writer.writerow([*(row[column] for column in columns), solution.offsets[row["id"]]])
    return out.getvalue()


def write(text: str, file: Path) -> None:
    """Write ``text``; raises UserError where that cannot be."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise UserError(f"cannot write the packing: {(problem.strerror or str(problem)).lower()}", str(file)) from None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else None
        raise UserError(f"cannot read the buffers: {(reason or str(problem)).lower()}", str(file)) from None
