"""Target machines: descriptions in TOML, checked and frozen. ``torch_mlir`` is needed for attributes only."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from polystage.machine.loader import load, names
from polystage.machine.model import (
    Dma,
    Dram,
    EfficiencyPoint,
    Engine,
    Machine,
    Matrix,
    Psum,
    StartRule,
)
from polystage.machine.sizes import format_bytes, parse_bytes

if TYPE_CHECKING:
    from torch_mlir import ir

    from polystage.machine.rows import TargetRow

__all__ = [
    "Dma",
    "Dram",
    "EfficiencyPoint",
    "Engine",
    "Machine",
    "Matrix",
    "Psum",
    "StartRule",
    "describe",
    "format_bytes",
    "from_attribute",
    "load",
    "names",
    "of_module",
    "parse_bytes",
    "to_attribute",
]


def to_attribute(machine: Machine) -> "ir.DictAttr":
    """``machine`` as the dictionary attribute ``polystage.target``, in the current context."""
    from polystage.machine import attribute

    return attribute.to_attribute(machine)


def from_attribute(target: "ir.Attribute") -> Machine:
    """The machine that ``to_attribute`` wrote."""
    from polystage.machine import attribute

    return attribute.from_attribute(target)


def of_module(module: "ir.Operation | ir.OpView | ir.Module") -> Machine:
    """The machine that ``module`` is compiled for; raises UserError when it has no ``polystage.target``."""
    from polystage.machine import attribute

    return attribute.of_module(module)


def describe(machines: "Iterable[Machine] | None" = None) -> "tuple[TargetRow, ...]":
    """One row per machine, by default per built-in target, for ``polystage targets``."""
    from polystage.machine.rows import rows

    return rows(machines if machines is not None else map(load, names()))
