"""Fills the report: static facts from the IR of each level, executed ones from a run of the npu program."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch_mlir import ir

from polystage import machine
from polystage.analysis import banks, bounds
from polystage.analysis.compulsory import macs, nest_count
from polystage.analysis.traffic import predict
from polystage.interp import npu
from polystage.interp.counts import Counter, Counts
from polystage.interp.timing import Event, Timeline, Times
from polystage.report.copies import eliminated
from polystage.report.relayout import relayouts
from polystage.report.report import (
    Banks,
    Bounds,
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
    least = bounds.bounds(affine, subject.levels["optimized"], target)
    report = Report(
        model=subject.name,
        target=target.name,
        sbuf=Sbuf(target.sbuf_bytes, target.lanes * _peak_per_lane(program)),
        nests=nest_count(affine),
        macs=macs(affine),
        copies=eliminated(affine, subject.levels["optimized"]),
        relayout=relayouts(program),
        dram=_dram(predicted, least.compulsory_bytes),
        bounds=_bounds(predicted, least),
        onchip=Onchip(predicted.bytes.onchip_by_engine()),
        instructions=Instructions(dict(predicted.instructions)),
        predicted=moved(predicted),
        compile_seconds=CompileSeconds({}, 0.0),
        banks=_banks(program),
    )
    seconds = {**subject.seconds, "report": time.perf_counter() - begin}
    return replace(report, compile_seconds=CompileSeconds(seconds, sum(seconds.values())))


def moved(counted: Counts) -> Moved:
    """The totals of a count."""
    return Moved(sum(counted.bytes.dram()), sum(counted.bytes.onchip_by_engine().values()))


def _banks(program: ir.Operation) -> Banks | None:
    found = banks.Banks.of_module(program)
    if found is None:
        return None
    return Banks(
        found.strategy, found.relayouts, found.relayout_bytes, found.dram_bytes, found.lane_utilisation,
        found.engine_ns / 1e3, found.objective_ns / 1e3, found.gap,
    )  # fmt: skip


def _peak_per_lane(program: ir.Operation) -> int:
    """Highest byte in use in a lane; every lane has the same layout."""
    return ir.IntegerAttr(program.attributes["npu.sbuf_peak"]).value


def _dram(predicted: Counts, compulsory: int) -> Dram:
    read, written = predicted.bytes.dram()
    total = read + written
    return Dram(read, written, total, compulsory, _ratio(total, compulsory), dict(predicted.bytes.by_cause()))


def _bounds(predicted: Counts, least: bounds.Bounds) -> Bounds:
    ratio = _ratio(sum(predicted.bytes.dram()), least.bytes)
    name = least.binding.result if least.binding else ""
    communication = least.communication_bytes
    return Bounds(least.compulsory_bytes, communication, name, ratio, least.compute_us, least.dram_us)


def _ratio(value: float, bound: float) -> float:
    return value / bound if bound else 1.0


@dataclass(frozen=True)
class Run:
    """One execution of an npu program: what it counted, the seconds it took here, and its events if asked for."""

    counts: Counts
    times: Times
    seconds: float
    events: Sequence[Event]


def execute(program: ir.Operation, arrays: Sequence[Array], trace: bool = False) -> Run:
    """Executes on ``arrays``, one for each argument; outputs are written in place. ``trace`` keeps the events."""
    counter, timeline = Counter(), Timeline(machine.of_module(program), trace)
    begin = time.perf_counter()
    npu.execute(program, arrays, listeners=(counter, timeline))
    seconds = time.perf_counter() - begin
    return Run(counter.counts(), timeline.times(), seconds, timeline.events or ())


def with_run(report: Report, program: ir.Operation, run: Run) -> Report:
    """``report`` with what ``run`` executed; counts have to be equal row by row and op by op, not only in total."""
    equal = run.counts == predict(program)
    return report.with_run(moved(run.counts), equal, _time(run.times, report.bounds), RunSeconds(run.seconds))


def _time(times: Times, least: Bounds) -> Time:
    end = times.modelled_us
    return Time(
        end,
        least.compute_us,
        least.dram_us,
        _ratio(end, max(least.compute_us, least.dram_us)),
        times.exposed_dma_us,
        dict(times.busy_us),
        {engine: _ratio(busy, end) for engine, busy in times.busy_us.items()},
        dict(times.lanes),
    )
