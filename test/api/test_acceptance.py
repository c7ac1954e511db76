"""The acceptance matrix: models of the zoo on the targets, executed, compared, and counted twice."""

import pytest

import polystage
from polystage import zoo
from polystage.report.report import Report

SMALL = zoo.names(small=True)
THREE = ("resnet18", "bert_base", "wavenet")


def _checked(name: str, target: str, sbuf: str | None = None, dtype: str | None = None) -> Report:
    model, inputs = zoo.load(name)
    report = polystage.compile(model, inputs, target, sbuf, dtype=dtype, name=name).check()
    assert report.check is not None
    assert report.check.passed, report.check
    assert report.predicted == report.executed
    assert report.predicted_equals_executed
    assert report.sbuf.peak <= report.sbuf.capacity
    return report


@pytest.mark.parametrize("name", SMALL)
def test_small_models_on_tiny(name: str) -> None:
    report = _checked(name, "tiny")
    assert report.dram.total >= report.dram.compulsory


@pytest.mark.long
@pytest.mark.parametrize("name", zoo.names())
def test_zoo_on_trainium1(name: str) -> None:
    assert _checked(name, "trainium1").nests > 100


@pytest.mark.long
@pytest.mark.parametrize("name", THREE)
def test_zoo_in_bf16(name: str) -> None:
    _checked(name, "trainium1", dtype="bf16")


@pytest.mark.long
@pytest.mark.parametrize("sbuf", ["256KiB", "64KiB"])
@pytest.mark.parametrize("name", THREE)
def test_zoo_in_small_scratchpads(name: str, sbuf: str) -> None:
    _checked(name, "edge", sbuf)


@pytest.mark.long
@pytest.mark.parametrize("name", ["resnet50", "bert_base"])
def test_bounds_on_time(name: str) -> None:
    """Issue 2: without torch.export 20 s to compile, 15 s to execute."""
    report = _checked(name, "trainium1")
    seconds = report.compile_seconds
    assert seconds.total - seconds.by_stage["torch_export"] <= 20
    assert report.run_seconds is not None
    assert report.run_seconds.npu <= 15
