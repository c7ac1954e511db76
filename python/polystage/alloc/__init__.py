"""Offsets for buffers: problem, solver, and a validator that shares no code with it."""

from polystage.alloc.problem import (
    Buffer,
    Infeasible,
    Problem,
    Solution,
    problem_from_csv,
    solution_from_csv,
    to_csv,
)
from polystage.alloc.restarts import Switches
from polystage.alloc.solver import Solver, solve
from polystage.alloc.validator import Violation, validate

__all__ = [
    "Buffer",
    "Infeasible",
    "Problem",
    "Solution",
    "Solver",
    "Switches",
    "Violation",
    "problem_from_csv",
    "solution_from_csv",
    "solve",
    "to_csv",
    "validate",
]
