"""Strategy files of ``map-banks``: decisions as JSON, to be exported, edited by hand and read back as pins.

    {"layouts": {"t12": 1, "t5": null}, "implementations": {"t12#1": {"kind": "contraction", "lane": 3, "rows": 0}}}

A layout is the array dimension across the lanes, null keeps the array in one lane, "replicated" has all of it on every
lane. A nest is named by the array that it stores and its number among the nests that do, from 0; one that computes its
result on every lane has ``"replicated": true``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch_mlir import ir

from polystage.analysis.implementation import Implementation, MalformedImplementationError
from polystage.errors import UserError
from polystage.passes.banks.problem import ONE_LANE, REPLICATED

KEYS = ("layouts", "implementations")


@dataclass(frozen=True)
class Pins:
    """Decisions that are given: layouts (dimension, ``ONE_LANE``, ``REPLICATED``) by array, implementations by nest."""

    layouts: Mapping[str, int] = field(default_factory=dict[str, int])
    implementations: Mapping[str, Implementation] = field(default_factory=dict[str, Implementation])


def read_pins(file: str) -> Pins:
    """The pins of a strategy file. Raises UserError at the file for what is none."""
    path = Path(file)
    try:
        given: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"strategy file cannot be read: {(error.strerror or 'unknown').lower()}", file) from error
    except json.JSONDecodeError as error:
        raise UserError(f"strategy file is not JSON: {error.msg.lower()}", f"{file}:{error.lineno}") from error
    if not _is_object(given) or not all(map(_is_object, given.values())):
        raise UserError(f"strategy file holds an object with {' and '.join(KEYS)}, each an object", file)
    table: dict[str, dict[str, Any]] = given
    unknown = [key for key in table if key not in KEYS]
    if unknown:
        raise UserError(f"strategy file has no '{unknown[0]}'; it has {' and '.join(KEYS)}", file)
    layouts = {name: _layout(name, value, file) for name, value in table.get("layouts", {}).items()}
    nests = {name: _implementation(name, value, file) for name, value in table.get("implementations", {}).items()}
    return Pins(layouts, nests)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _layout(name: str, value: Any, file: str) -> int:
    if value is None:
        return ONE_LANE
    if value == "replicated":
        return REPLICATED
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UserError(f"layout of '{name}' is a dimension, null or \"replicated\", not {json.dumps(value)}", file)
    return value


def _implementation(name: str, value: Any, file: str) -> Implementation:
    if not _is_object(value) or not all(isinstance(each, int | str) for each in value.values()):
        raise UserError(f"implementation of '{name}' is an object of kind, lane, rows, stationary, replicated", file)
    entries: dict[str, Any] = value
    with ir.Context():
        attributes = {key: _attribute(each) for key, each in entries.items()}
        try:
            return Implementation.from_attribute(ir.DictAttr.get(attributes))
        except MalformedImplementationError as problem:
            raise UserError(f"implementation of '{name}': {problem}", file) from problem


def _attribute(value: int | str) -> ir.Attribute:
    """A number, a text, or (true) a mark."""
    if value is True:
        return ir.UnitAttr.get()
    if isinstance(value, str):
        return ir.StringAttr.get(value)
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)
