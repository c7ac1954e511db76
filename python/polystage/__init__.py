"""polystage: whole-model staging for accelerators with a software-managed scratchpad."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polystage.api import compile, load
    from polystage.compiled import Compiled
    from polystage.errors import UserError
    from polystage.report.report import Report

__all__ = ["Compiled", "Report", "UserError", "compile", "load"]

_HOME = {
    "Compiled": "polystage.compiled",
    "Report": "polystage.report.report",
    "UserError": "polystage.errors",
    "compile": "polystage.api",
    "load": "polystage.api",
}


def __getattr__(name: str) -> object:
    """Imports what is asked for, and nothing before: ``import polystage`` is instant."""
    if name not in _HOME:
        raise AttributeError(f"module 'polystage' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
