"""What the staging table measures: the lines of acceptance, the ablation, the sweep (data, no mechanism)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from polystage.machine import format_bytes, parse_bytes


@dataclass(frozen=True)
class Case:
    """One row: what is compiled for what, and the limits that it is held to.

    ``strategy`` are words as after ``polystage compile --strategy``; ``sbuf`` is None for the target's own size.
    ``ratio`` is the limit of DRAM bytes over compulsory bytes, ``over_bound`` that of modelled time over the greater
    bound, ``plan_seconds`` that of the pass ``stage``, ``compile_peak`` that of the compiler's memory in bytes.
    ``execute`` is off for what is only compiled, on the meta device. Where ``refusable``, being refused with the
    smallest capacity is as good as running, if that capacity works. ``label`` says why the row is there.
    """

    model: str
    target: str = "trainium1"
    sbuf: str | None = None
    dtype: str | None = "bf16"
    strategy: tuple[str, ...] = ()
    label: str = ""
    ratio: float | None = None
    over_bound: float | None = None
    plan_seconds: float | None = None
    compile_peak: int | None = None
    execute: bool = True
    refusable: bool = False


ONCE = 1.005  # what a limit of "1.00x" means
_MEMORY = 4 * 10**9
_SMALL = {"resnet18": 1.08, "mobilenet_v2": 1.08, "bert_base": 1.08, "gpt2": 1.08, "vit_b16": 1.08,
          "resnet50": 1.25, "resnet101": 1.25, "densenet121": 1.25, "unet": 1.6}  # fmt: skip
_LARGE = ("bert_layer:tokens=4096", "unet:side=512", "resnet50:side=896", "speech_encoder_layer")
_SWEPT = ("resnet18", "bert_layer", "unet", "wavenet")
_TIMED = ("resnet50", "bert_base")

# What is switched off, and the words that do it.
_OFF = (
    ("nothing", ()),
    ("residency", ("stage.residency=off",)),
    ("fusion groups", ("stage.effort=0",)),
    ("sliding windows", ("stage.windows=apart",)),
    ("any of these three", ("stage=local",)),
    ("sums in PSUM", ("stage.sums=sbuf",)),
    ("folding", ("stage.folding=off",)),
    ("recomputation", ("stage.recompute=0",)),
    ("epilogues from PSUM", ("lower-to-npu=sbuf",)),
    ("skewed loops", ("skew-loops=off",)),
    ("order of instructions", ("order-instructions=off",)),
    ("prefetch", ("pipeline-dma=off",)),
    ("double buffering", ("pipeline-dma.buffers=1",)),
    ("global bank mapping", ("map-banks=local",)),
    ("copy elimination", ("eliminate-copies=off",)),
    ("packed taps", ("pack-taps=off",)),
    ("rows copied on chip", ("pack-taps.rows=read",)),
    ("bundled parameters", ("bundle-parameters=off",)),
)


def acceptance(line: int) -> tuple[Case, ...]:
    """The cases of a line of acceptance, 1 to 7 and 9; line 8 is about `allocate` alone."""
    return tuple(replace(case, label=case.label or f"line {line}") for case in _LINES[line]())


def ablation() -> Iterator[Case]:
    """Each decision switched off alone."""
    for model in _TIMED:
        for what, words in _OFF:
            limit = None if words else 1.25
            yield Case(model, strategy=words, label=f"without {what}" if words else "all on", over_bound=limit)


def sweep() -> Iterator[Case]:
    """Halving budgets."""
    for model in _SWEPT:
        for target, most, least in (("edge", "16MiB", "32KiB"), ("trainium1", "24MiB", "256KiB")):
            for sbuf in halvings(most, least):
                yield Case(model, target, sbuf, label="sweep", refusable=True)


def halvings(most: str, least: str) -> Iterator[str]:
    """Sizes from ``most`` down, each half of the one before, and ``least``."""
    size = parse_bytes(most)
    while size > parse_bytes(least):
        yield format_bytes(size)
        size //= 2
    yield least


def _blocks(model: str, halves: tuple[tuple[str, float], ...]) -> Iterator[Case]:
    yield Case(model, ratio=ONCE)
    for sbuf, limit in halves:
        yield Case(model, "edge", sbuf, ratio=limit)


def _zoo() -> Iterator[Case]:
    from polystage import zoo

    for model in zoo.names():
        yield Case(model, ratio=1.02)
    for model in zoo.names():
        yield Case(model, "edge", "1MiB", ratio=_SMALL.get(model))
    yield Case("wavenet", "edge", "2MiB", ratio=3.0)


def _planning() -> Iterator[Case]:
    for model, limit in (("resnet50", 10.0), ("bert_base", 10.0), ("bert_base:layers=48", 60.0)):
        yield Case(model, plan_seconds=limit, execute=False)


_LINES = {
    1: lambda: _blocks("basic_block", (("512KiB", 1.01), ("256KiB", 1.05))),
    2: lambda: _blocks("bert_layer", (("512KiB", 1.05), ("256KiB", 1.30))),
    3: lambda: _blocks("resnet18", (("2MiB", 1.02), ("512KiB", 1.10), ("256KiB", 1.30))),
    4: _zoo,
    5: lambda: (Case(model, ratio=1.05, compile_peak=_MEMORY) for model in _LARGE),
    6: sweep,
    7: ablation,
    9: _planning,
}
LINES = tuple(_LINES)
