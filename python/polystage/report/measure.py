"""Fills the report: static facts from the IR of each level, executed ones from a run of the npu program."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch_mlir import ir

from polystage import machine
from polystage.analysis.compulsory import Compulsory, compulsory, macs, nest_count
from polystage.analysis.traffic import predict
from polystage.interp import npu
from polystage.interp.counts import Counter, Counts
from polystage.interp.timing import Timeline, Times
from polystage.report.copies import eliminated
from polystage.report.relayout import relayouts
from polystage.report.report import (
    CompileSeconds,
    Dram,
    Instructions,
    Moved,
    Onchip,
    Report,
    RunSeconds,
    Sbuf,
    Time,
)

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Subject:
    """What a report is about: a name, the module at each level, the seconds of each stage."""

    name: str
    levels: Mapping[str, ir.Operation]
    seconds: Mapping[str, float]


def collect(subject: Subject) -> Report:
    """Everything that is known without running; the time it takes is the last stage, ``report``."""
    begin = time.perf_counter()
    affine, program = subject.levels["affine"], subject.levels["npu"]
    target = machine.of_module(program)
    predicted = predict(program)
    report = Report(
        model=subject.name,
        target=target.name,
        sbuf=Sbuf(target.sbuf_bytes, target.lanes * _peak_per_lane(program)),
        nests=nest_count(affine),
        macs=macs(affine),
        copies=eliminated(affine, subject.levels["optimized"]),
        relayout=relayouts(program),
        dram=_dram(predicted, compulsory(affine)),
        onchip=Onchip(predicted.bytes.onchip_by_engine()),
        instructions=Instructions(dict(predicted.instructions)),
        predicted=moved(predicted),
        compile_seconds=CompileSeconds({}, 0.0),
    )
    seconds = {**subject.seconds, "report": time.perf_counter() - begin}
    return replace(report, compile_seconds=CompileSeconds(seconds, sum(seconds.values())))


def moved(counted: Counts) -> Moved:
    """The totals of a count."""
    return Moved(sum(counted.bytes.dram()), sum(counted.bytes.onchip_by_engine().values()))


def _peak_per_lane(program: ir.Operation) -> int:
    """Highest byte in use in a lane; every lane has the same layout."""
    return ir.IntegerAttr(program.attributes["npu.sbuf_peak"]).value


def _dram(predicted: Counts, least: Compulsory) -> Dram:
    read, written = predicted.bytes.dram()
    total = read + written
    ratio = total / least.total if least.total else 1.0
    return Dram(read, written, total, least.total, ratio, dict(predicted.bytes.by_cause()))


@dataclass(frozen=True)
class Run:
    """One execution of an npu program: what it counted, and the seconds it took here."""

    counts: Counts
    times: Times
    seconds: float


def execute(program: ir.Operation, arrays: Sequence[Array], compulsory_bytes: int) -> Run:
    """Executes on ``arrays``, one for each argument; outputs are written in place."""
    counter, timeline = Counter(), Timeline(machine.of_module(program))
    begin = time.perf_counter()
    npu.execute(program, arrays, listeners=(counter, timeline))
    seconds = time.perf_counter() - begin
    return Run(counter.counts(), timeline.times(compulsory_bytes), seconds)


def with_run(report: Report, program: ir.Operation, run: Run) -> Report:
    """``report`` with what ``run`` executed; counts have to be equal row by row and op by op, not only in total."""
    equal = run.counts == predict(program)
    times = run.times
    modelled = Time(times.modelled_us, times.compute_bound_us, times.dram_bound_us, dict(times.busy_us))
    return report.with_run(moved(run.counts), equal, modelled, RunSeconds(run.seconds))
