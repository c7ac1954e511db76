"""Strategies and options of passes reach the pipeline."""

from polystage.compilation import plan


def _text(stage: str, strategies: dict[str, str]) -> str:
    return next(step.pipeline for step in plan("tiny", None, strategies) if step.name == stage)


def test_a_strategy_and_another_option_of_a_pass() -> None:
    assert _text("stage", {}) == "stage"
    assert _text("stage", {"stage": "local"}) == "stage{strategy='local'}"
    assert _text("stage", {"stage.effort": "0", "stage": "global"}) == "stage{effort='0' strategy='global'}"


def test_other_passes_keep_their_options() -> None:
    assert _text("pipeline-dma", {"stage.effort": "0"}) == "pipeline-dma"
    assert _text("pipeline-dma", {"pipeline-dma.buffers": "1"}) == "pipeline-dma{buffers='1'}"
