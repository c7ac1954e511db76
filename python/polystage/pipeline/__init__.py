"""Passes as frozen dataclasses, pipeline text, and the runner that mixes Python and C++ passes. Knows no pass."""

from polystage.pipeline.base import InvalidIR, Pass, PassContext, PassFailure
from polystage.pipeline.diagnostics import Diagnostic, Place
from polystage.pipeline.options import Option, option, options_of
from polystage.pipeline.plan import Plan, plan_pipeline
from polystage.pipeline.registry import Registry
from polystage.pipeline.runner import PipelineResult, Statistic, Timing, run_pipeline

__all__ = [
    "Diagnostic",
    "InvalidIR",
    "Option",
    "Pass",
    "PassContext",
    "PassFailure",
    "PipelineResult",
    "Place",
    "Plan",
    "Registry",
    "Statistic",
    "Timing",
    "option",
    "options_of",
    "plan_pipeline",
    "run_pipeline",
]
