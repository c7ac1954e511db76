import argparse
import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
staging_cases: Any = importlib.import_module("staging_cases")
table: Any = importlib.import_module("staging_table")

TINY = staging_cases.Case("tiny_cnn", "tiny", dtype=None)


@pytest.fixture(scope="module")
def outcome() -> Any:
    return table.measure(TINY)


def holds(case: Any, outcome: Any) -> list[str]:
    return list(table.broken(case, outcome))


def test_a_row_that_holds(outcome: Any) -> None:
    assert holds(TINY, outcome) == []
    cells = [cell.strip() for cell in table.row(TINY, outcome).strip("|").split("|")]
    shown = dict(zip(table.HEADERS, cells, strict=True))
    assert (shown["model"], shown["SBUF"], shown["dtype"]) == ("tiny_cnn", "-", "f32")
    assert (shown["check"], shown["predicted == executed"], shown["holds"]) == ("pass", "yes", "yes")
    assert float(shown["executed"]) == 1.0


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        ({"ratio": 0.5}, "x 1.000 > 0.5"),
        ({"over_bound": 0.5}, "over bound "),
        ({"plan_seconds": 0.0}, "planning seconds "),
        ({"compile_peak": 1000}, "compiler peak "),
    ],
)
def test_each_limit_is_held(outcome: Any, limit: dict[str, float], error: str) -> None:
    (found,) = holds(replace(TINY, **limit), outcome)
    assert found.startswith(error)


def test_more_arithmetic_than_the_model_has(outcome: Any) -> None:
    (found,) = holds(TINY, replace(outcome, macs=2 * outcome.macs))
    assert found == "MACs 2.000 > 1.02"


def test_what_was_not_compared_does_not_hold(outcome: Any) -> None:
    report = replace(outcome.report, check=None, predicted_equals_executed=False)
    assert holds(TINY, replace(outcome, report=report)) == ["check failed", "predicted != executed"]


def test_compiled_without_data() -> None:
    case = replace(TINY, execute=False, strategy=("stage=local", "stage.effort=0"))
    outcome = table.measure(case)
    assert outcome.report.check is None and outcome.report.executed is None
    assert holds(case, outcome) == []


def test_a_refusal_holds_where_the_capacity_it_names_is_tried() -> None:
    refused = table.Outcome(refused="error: nest needs 9 bytes; choose --sbuf 16448 or more")
    assert holds(TINY, refused) == ["refused: error: nest needs 9 bytes; choose --sbuf 16448 or more"]
    assert holds(replace(TINY, refusable=True), refused) == []
    assert holds(replace(TINY, refusable=True), table.Outcome(refused="no packing found")) == [
        "refused: no packing found"
    ]


@pytest.mark.parametrize(
    ("error", "size"),
    [
        ("choose --sbuf 16448 or more", 16448),
        ("choose --sbuf 8KiB or more; choose --sbuf 4KiB or more", 8192),
        ("choose a larger --sbuf", None),
    ],
)
def test_smallest_capacity(error: str, size: int | None) -> None:
    assert table.smallest(error) == size


def test_the_smallest_capacity_is_tried() -> None:
    (asked, refused), (tried, outcome) = table.with_retry(replace(TINY, sbuf="256", refusable=True), 60.0)
    assert asked.sbuf == "256" and refused.report is None
    assert tried.label == "smallest" and int(tried.sbuf) == table.smallest(refused.refused)
    assert holds(tried, outcome) == []


def test_a_process_that_ends_early() -> None:
    assert table.apart(replace(TINY, model="tiny_mlp"), 0.01).failed == "not done after 0.01 s"
    (error,) = holds(TINY, table.apart(replace(TINY, strategy=("stage",)), 60.0))
    assert error.startswith("exit code 1: ")


def test_halvings_end_with_the_least() -> None:
    assert list(staging_cases.halvings("1MiB", "256KiB")) == ["1MiB", "512KiB", "256KiB"]
    assert list(staging_cases.halvings("768KiB", "256KiB")) == ["768KiB", "384KiB", "256KiB"]


def test_presets_are_made_of_models_of_the_zoo() -> None:
    from polystage import zoo

    cases = [case for line in staging_cases.LINES for case in staging_cases.acceptance(line)]
    assert {case.model.partition(":")[0] for case in cases} <= {*zoo.names(), *zoo.parts()}
    assert len(cases) == len(set(cases))


def test_selection() -> None:
    parsed = table._parser().parse_args(["--accept", "1..2,3", "--at", "edge:256KiB", "basic_block", "resnet18"])
    assert [(case.model, case.target, case.sbuf, case.ratio) for case in table.cases(parsed)] == [
        ("basic_block", "edge", "256KiB", 1.05),
        ("resnet18", "edge", "256KiB", 1.30),
    ]
    parsed = table._parser().parse_args(["unet", "--at", "edge:1MiB", "--at", "tiny", "--strategy", "stage=local"])
    assert [(case.target, case.sbuf, case.strategy) for case in table.cases(parsed)] == [
        ("edge", "1MiB", ("stage=local",)),
        ("tiny", None, ("stage=local",)),
    ]


def test_lines_that_there_are_not() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no line 8; there are 1, 2, 3, 4, 5, 6, 7, 9"):
        table._lines("7-9")


def test_a_strategy_without_its_name() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="write PASS=NAME, not 'stage'"):
        table._word("stage")
