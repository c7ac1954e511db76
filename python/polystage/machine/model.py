"""The machine that a program is compiled for: one core of an accelerator with a software-managed scratchpad.

Sizes are in bytes, clocks in GHz, rates per second or per cycle as the field names say. `check` holds what a single
field cannot say; everything that builds a `Machine` from outside goes through `polystage.machine.loader`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from polystage.errors import UserError
from polystage.machine.schema import number, text
from polystage.machine.sizes import format_bytes

DTYPES = ("i1", "i8", "i32", "f16", "bf16", "f32")
_FP32_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class StartRule:
    """An access that touches at most ``lanes`` lanes starts at a lane that is a multiple of ``multiple``."""

    lanes: int = number("most lanes that the rule is for", "lanes")
    multiple: int = number("legal start lanes are the multiples of this", "lanes")


@dataclass(frozen=True, kw_only=True)
class Psum:
    """The accumulator memory of the matrix engine; a matmul writes into one bank."""

    lanes: int = number("lanes of the accumulator memory", "lanes")
    banks: int = number("banks per lane")
    bytes_per_bank: int = number("bytes of one bank in one lane", "bytes", minimum=4)

    @property
    def bytes_per_lane(self) -> int:
        """Bytes of all banks in one lane."""
        return self.banks * self.bytes_per_bank


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """The matrix engine: ``rows`` contraction lanes x ``columns`` result lanes, one moving column per cycle."""

    rows: int = number("greatest contraction size K")
    columns: int = number("greatest stationary free size M")
    max_moving: int = number("greatest moving free size N")
    max_free_dims: int = number("greatest number of strided free dimensions")
    clock_ghz: float = number("clock", "GHz", minimum=0, above=True)
    cycle_factor: Mapping[str, float] = text("cycles per moving column by element type", default={})
    stationary_load_cycles: int = number("cycles to load the stationary operand", "cycles", minimum=0)
    min_cycles: int = number("least cycles of one instruction", "cycles", minimum=0)

    def tflops(self, dtype: str) -> float:
        """Peak rate for that element type; raises KeyError when the engine does not take it."""
        return self.rows * self.columns * 2 * self.clock_ghz / self.cycle_factor[dtype] / 1000


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that works lane by lane."""

    elements_per_cycle: int = number("elements that all lanes together process per cycle")
    faster: Mapping[str, int] = text("elements per cycle of element types that run faster", default={})
    clock_ghz: float = number("clock", "GHz", minimum=0, above=True)
    fixed_cycles: int = number("cycles that every instruction takes besides its elements", "cycles", minimum=0)
    max_free_elements_sbuf: int = number("greatest number of elements per lane of an operand in SBUF")
    max_free_elements_psum: int = number("greatest number of elements per lane of an operand in PSUM")
    max_free_dims: int = number("greatest number of strided free dimensions")

    def rate(self, dtype: str) -> int:
        """Elements per cycle for that element type."""
        return self.faster.get(dtype, self.elements_per_cycle)


@dataclass(frozen=True, kw_only=True)
class EfficiencyPoint:
    """Descriptors of ``bytes`` bytes reach ``fraction`` of the sustained bandwidth."""

    bytes: int = number("size of a descriptor", "bytes")
    fraction: float = number("part of the sustained bandwidth", minimum=0, above=True)


@dataclass(frozen=True, kw_only=True)
class Dma:
    """The DMA engines that one core owns."""

    engines: int = number("engines")
    queues: int = number("queues per engine")
    bytes_per_s_per_engine: float = number("sustained bandwidth of one engine", "bytes/s")
    fixed_ns: float = number("fixed cost of a transfer", "ns", minimum=0)
    efficiency: tuple[EfficiencyPoint, ...] = text("efficiency by bytes per descriptor, ascending")

    @property
    def bytes_per_s(self) -> float:
        """Sustained bandwidth of all engines."""
        return self.engines * self.bytes_per_s_per_engine

    def efficiency_at(self, descriptor_bytes: float) -> float:
        """Part of the sustained bandwidth that descriptors of that size reach.

        Below the first point a descriptor takes constant time; between points the fraction is linear.
        """
        last = self.efficiency[0]
        if descriptor_bytes <= last.bytes:
            return last.fraction * descriptor_bytes / last.bytes
        for point in self.efficiency[1:]:
            if descriptor_bytes <= point.bytes:
                share = (descriptor_bytes - last.bytes) / (point.bytes - last.bytes)
                return last.fraction + share * (point.fraction - last.fraction)
            last = point
        return last.fraction


@dataclass(frozen=True, kw_only=True)
class Dram:
    """The core's share of off-chip memory."""

    bytes: int = number("size", "bytes")
    bytes_per_s: float = number("bandwidth", "bytes/s")
    burst: int = number("smallest transfer", "bytes")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One core. ``bytes_per_lane`` is SBUF, of which the first ``reserved_bytes_per_lane`` are not ours to use."""

    name: str = text("name of the target")
    source: str = text("where the numbers come from")
    assumed: tuple[str, ...] = text("keys whose numbers nobody has published", default=())
    lanes: int = number("lanes of SBUF", "lanes")
    bytes_per_lane: int = number("bytes of SBUF in one lane", "bytes")
    reserved_bytes_per_lane: int = number("bytes in each lane that a program must not touch", "bytes", minimum=0)
    alignment: int = number("every address in a lane is a multiple of this", "bytes")
    start_lanes: tuple[StartRule, ...] = text("legal start lanes by lanes touched, ascending")
    dtypes: tuple[str, ...] = text("element types that the core stores and computes with")
    semaphore_ns: float = number("what waiting for another engine or for a transfer costs besides", "ns", minimum=0)
    psum: Psum
    matrix: Matrix
    vector: Engine
    scalar: Engine
    gpsimd: Engine
    dma: Dma
    dram: Dram

    @property
    def sbuf_bytes(self) -> int:
        """Bytes of SBUF in all lanes."""
        return self.lanes * self.bytes_per_lane

    @property
    def usable_bytes_per_lane(self) -> int:
        """Bytes of SBUF in one lane that a program may use."""
        return self.bytes_per_lane - self.reserved_bytes_per_lane

    @property
    def smallest_bytes_per_lane(self) -> int:
        """Least SBUF with which an instruction of two inputs has room for one element of each operand."""
        return self.reserved_bytes_per_lane + 3 * _aligned(_FP32_BYTES, self.alignment)

    @property
    def max_moving_f32(self) -> int:
        """Greatest moving free size of a matmul, whose fp32 result has to lie in one PSUM bank."""
        return min(self.matrix.max_moving, self.psum.bytes_per_bank // _FP32_BYTES)

    @property
    def standing(self) -> str:
        """How far the numbers can be trusted, in one line."""
        groups = dict.fromkeys(key.partition(".")[0] for key in self.assumed)
        return f"{self.source}; assumed in part: {', '.join(groups)}" if groups else self.source

    def cycle_factor(self, dtype: str) -> float:
        """Matrix-engine cycles per moving column of that element type. Raises UserError when it is not taken."""
        factor = self.matrix.cycle_factor.get(dtype)
        if factor is None:
            legal = ", ".join(self.matrix.cycle_factor)
            raise UserError(f"the matrix engine of {self.name} does not take {dtype}; it takes {legal}")
        return factor

    def start_multiple(self, lanes_touched: int) -> int:
        """What the start lane of an access to that many lanes has to be a multiple of."""
        return next(rule.multiple for rule in self.start_lanes if lanes_touched <= rule.lanes)

    def engine(self, name: str) -> Engine:
        """The ``vector``, ``scalar`` or ``gpsimd`` engine."""
        return {"vector": self.vector, "scalar": self.scalar, "gpsimd": self.gpsimd}[name]

    def with_sbuf(self, total_bytes: int) -> "Machine":
        """This machine with ``total_bytes`` of SBUF over the same lanes, each lane rounded down to the alignment."""
        per_lane = total_bytes // self.lanes // self.alignment * self.alignment
        if per_lane < self.smallest_bytes_per_lane:
            least = self.smallest_bytes_per_lane * self.lanes
            raise UserError(
                f"{format_bytes(total_bytes)} of SBUF give {per_lane} bytes on each of the {self.lanes} lanes of "
                f"{self.name}, which needs at least {self.smallest_bytes_per_lane}; "
                f"the smallest SBUF is {least} bytes ({format_bytes(least)})"
            )
        return replace(self, bytes_per_lane=per_lane)


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def check(machine: Machine) -> Iterator[tuple[str, str]]:
    """What is wrong with ``machine`` as a whole: pairs of key path and message."""
    yield from _check_sizes(machine)
    yield from _check_start_lanes(machine)
    yield from _check_dtypes(machine)
    yield from _check_efficiency(machine)


def _check_sizes(machine: Machine) -> Iterator[tuple[str, str]]:
    if machine.bytes_per_lane % machine.alignment:
        yield "bytes_per_lane", f"{machine.bytes_per_lane} is not a multiple of alignment, which is {machine.alignment}"
    if machine.reserved_bytes_per_lane % machine.alignment:
        yield (
            "reserved_bytes_per_lane",
            f"{machine.reserved_bytes_per_lane} is not a multiple of alignment, which is {machine.alignment}",
        )
    if machine.bytes_per_lane < machine.smallest_bytes_per_lane:
        yield (
            "bytes_per_lane",
            f"{machine.bytes_per_lane} is too small: {machine.reserved_bytes_per_lane} reserved bytes and three "
            f"aligned fp32 elements need {machine.smallest_bytes_per_lane}",
        )
    if machine.psum.bytes_per_bank % _FP32_BYTES:
        yield "psum.bytes_per_bank", f"{machine.psum.bytes_per_bank} is not a multiple of 4, the size of an accumulator"
    if machine.matrix.rows > machine.lanes:
        yield "matrix.rows", f"{machine.matrix.rows} contraction rows, but SBUF has {machine.lanes} lanes"
    if machine.matrix.columns > machine.psum.lanes:
        yield "matrix.columns", f"{machine.matrix.columns} columns, but PSUM has {machine.psum.lanes} lanes"


def _check_start_lanes(machine: Machine) -> Iterator[tuple[str, str]]:
    rules = machine.start_lanes
    if not rules or rules[-1].lanes != machine.lanes:
        covered = rules[-1].lanes if rules else 0
        yield "start_lanes", f"the last rule has to be for all {machine.lanes} lanes, it is for {covered}"
    for i, (lower, upper) in enumerate(pairwise(rules), start=1):
        if upper.lanes <= lower.lanes or upper.multiple < lower.multiple:
            yield (
                f"start_lanes[{i}]",
                f"rules have to ascend: {{{upper.lanes} lanes, multiple {upper.multiple}}} follows "
                f"{{{lower.lanes} lanes, multiple {lower.multiple}}}",
            )


def _check_dtypes(machine: Machine) -> Iterator[tuple[str, str]]:
    for i, dtype in enumerate(machine.dtypes):
        if dtype not in DTYPES:
            yield f"dtypes[{i}]", f"unknown element type {dtype!r}; known are {', '.join(DTYPES)}"
    tables = (
        ("matrix.cycle_factor", machine.matrix.cycle_factor),
        *((f"{name}.faster", machine.engine(name).faster) for name in ("vector", "scalar", "gpsimd")),
    )
    for path, table in tables:
        for dtype, value in table.items():
            if dtype not in machine.dtypes:
                yield f"{path}.{dtype}", f"not among dtypes, which are {', '.join(machine.dtypes)}"
            if value <= 0:
                yield f"{path}.{dtype}", f"must be above 0, got {value:g}"
    if not machine.matrix.cycle_factor:
        yield "matrix.cycle_factor", "names no element type; the matrix engine has to take at least one"


def _check_efficiency(machine: Machine) -> Iterator[tuple[str, str]]:
    points = machine.dma.efficiency
    if not points:
        yield "dma.efficiency", "has no points; give at least one {bytes, fraction}"
    for i, point in enumerate(points):
        if point.fraction > 1:
            yield f"dma.efficiency[{i}].fraction", f"must be at most 1, got {point.fraction:g}"
        if i and (point.bytes <= points[i - 1].bytes or point.fraction < points[i - 1].fraction):
            yield f"dma.efficiency[{i}]", f"points have to ascend: {point.bytes} bytes follow {points[i - 1].bytes}"
