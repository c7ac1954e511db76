"""The staging report: what a compilation decided and moved, as one frozen value that goes to JSON and back.

Bytes are bytes, times of the machine are microseconds, times of the compiler and of running here are seconds.
What only execution can tell is None until the program has run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from polystage.errors import UserError


@dataclass(frozen=True)
class Sbuf:
    """Scratchpad bytes over all lanes: what the target offers, and the most that is in use at one time."""

    capacity: int
    peak: int


@dataclass(frozen=True)
class Moves:
    """How many copy nests one move removed, and the bytes they wrote."""

    count: int
    bytes: int


@dataclass(frozen=True)
class KeptCopy:
    """A copy nest that inference still runs, by the names of its arrays, and why."""

    source: str
    target: str
    bytes: int
    reason: str


@dataclass(frozen=True)
class Copies:
    """Copy nests of the imported model and how many of them inference no longer runs, with the bytes they write.

    ``by_move`` counts the eliminated ones by what removed them, ``hoist`` being those that run once at load time.
    """

    found: int
    eliminated: int
    bytes_found: int
    bytes_eliminated: int
    by_move: Mapping[str, Moves] = field(default_factory=dict[str, Moves])
    kept: tuple[KeptCopy, ...] = ()


@dataclass(frozen=True)
class Relayout:
    """On-chip copies that only change a tensor's layout."""

    count: int
    bytes: int


@dataclass(frozen=True)
class Banks:
    """What bank mapping decided: its strategy, relayouts with private copies and their bytes, DRAM bytes that arguments
    cost beyond one load, part of the lanes that is busy, modelled engine time and objective, and how far from the
    optimum the objective may be (1 where no bound is known).
    """

    strategy: str
    relayouts: int
    relayout_bytes: int
    dram_bytes: int
    lane_utilisation: float
    engine_us: float
    objective_us: float
    gap: float


@dataclass(frozen=True)
class Dram:
    """DRAM traffic; ``compulsory`` is what any schedule moves, ``ratio`` is total / compulsory."""

    read: int
    written: int
    total: int
    compulsory: int
    ratio: float
    by_cause: Mapping[str, int]


@dataclass(frozen=True)
class Onchip:
    """Bytes that each engine reads from and writes to SBUF and PSUM."""

    bytes_by_engine: Mapping[str, int]


@dataclass(frozen=True)
class Instructions:
    """How many instructions of each op are executed."""

    by_op: Mapping[str, int]


@dataclass(frozen=True)
class Moved:
    """Bytes moved to and from DRAM, and to and from SBUF and PSUM."""

    dram: int
    onchip: int


@dataclass(frozen=True)
class Bounds:
    """What no schedule beats (``analysis.bounds``): DRAM bytes and microseconds on the target.

    ``communication_bytes`` is the greatest bound of a single contraction, ``contraction`` the name of its result;
    ``ratio`` is this program's DRAM bytes over the greater of compulsory and communication bytes.
    """

    compulsory_bytes: int
    communication_bytes: int
    contraction: str
    ratio: float
    compute_us: float
    dram_us: float


@dataclass(frozen=True)
class Time:
    """Modelled time, its bounds, and what the engines did meanwhile.

    ``over_bound`` is modelled time over the greater bound. ``exposed_dma_us`` is the time in which transfers are in
    flight and no compute engine works; ``utilisation_by_engine`` is busy over modelled time; ``lanes_by_engine`` is the
    share of the lanes that work while an engine does (of the rows x columns, for the matrix engine).
    """

    modelled_us: float
    compute_bound_us: float
    dram_bound_us: float
    over_bound: float
    exposed_dma_us: float
    busy_us_by_engine: Mapping[str, float]
    utilisation_by_engine: Mapping[str, float]
    lanes_by_engine: Mapping[str, float]


@dataclass(frozen=True)
class CompileSeconds:
    """Compile time by stage; ``torch_export`` is PyTorch's own part."""

    by_stage: Mapping[str, float]
    total: float


@dataclass(frozen=True)
class RunSeconds:
    """Seconds of one execution here: the npu program in the reference executor, and PyTorch eager (when compared)."""

    npu: float
    pytorch: float | None = None


@dataclass(frozen=True)
class Check:
    """Comparison with a reference; relative errors are relative to the largest reference value of each output."""

    passed: bool
    max_abs_error: float
    max_rel_error: float
    tolerance: float
    reference: str = "PyTorch eager"


@dataclass(frozen=True)
class Report:
    """All of the above for one model on one target."""

    model: str
    target: str
    sbuf: Sbuf
    nests: int
    macs: int
    copies: Copies
    relayout: Relayout
    dram: Dram
    bounds: Bounds
    onchip: Onchip
    instructions: Instructions
    predicted: Moved
    compile_seconds: CompileSeconds
    executed: Moved | None = None
    predicted_equals_executed: bool | None = None
    time: Time | None = None
    check: Check | None = None
    run_seconds: RunSeconds | None = None
    banks: Banks | None = None

    def to_json(self) -> str:
        """The report as indented JSON text."""
        return _ADAPTER.dump_json(self, indent=2).decode() + "\n"

    @classmethod
    def from_json(cls, text: str, location: str | None = None) -> "Report":
        """Inverse of `to_json`; raises UserError at ``location`` for text that is no report."""
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "text"
            raise UserError(f"not a polystage report: {where}: {first['msg'].lower()}", location) from error

    def with_run(self, moved: Moved, equal: bool, time: Time, seconds: RunSeconds) -> "Report":
        """The same report after one execution."""
        return replace(self, executed=moved, predicted_equals_executed=equal, time=time, run_seconds=seconds)


_ADAPTER: TypeAdapter[Report] = TypeAdapter(Report)


def write(report: Report, path: Path) -> None:
    """Writes the JSON beside ``path`` and renames it, so that a reader never sees half a report."""
    if not path.parent.is_dir():
        raise UserError(f"folder {path.parent} does not exist", str(path))
    partial = path.with_name(path.name + ".partial")
    partial.write_text(report.to_json())
    partial.replace(path)
