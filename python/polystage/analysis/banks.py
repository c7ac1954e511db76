"""What ``map-banks`` decided, as a value: kept on the module as ``npu.banks``, read by reports and strategy files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch_mlir import ir

from polystage.analysis.implementation import Implementation

ATTRIBUTE = "npu.banks"
_NUMBERS = ("objective_ns", "bound_ns", "gap", "engine_ns", "lane_utilisation")
_COUNTS = ("relayouts", "relayout_bytes", "dram_bytes")
_ONE_LANE = -1

Place = int | Literal["replicated"] | None
"""The array dimension across the lanes; None keeps an array in one lane, "replicated" has it on every lane."""


def place_text(place: Place) -> str:
    """A place as a key: a dimension, "-1" for one lane, or "replicated"."""
    return str(_ONE_LANE if place is None else place)


def place_of(text: str) -> Place:
    """Inverse of ``place_text``."""
    if text == "replicated":
        return "replicated"
    return None if int(text) == _ONE_LANE else int(text)


@dataclass(frozen=True)
class Home:
    """The layout of one array.

    ``asked`` has a line for each access; ``alternatives`` are the ns that another layout (as ``place_text``) would add,
    with the nests around the array choosing again.
    """

    name: str
    layout: Place
    asked: tuple[str, ...]
    alternatives: Mapping[str, float]

    def to_attribute(self) -> ir.DictAttr:
        """As ``{name = "t12", layout = 1 : i64, asked = [...], alternatives = {...}}``; layout = "replicated"."""
        f64, i64 = ir.F64Type.get(), ir.IntegerType.get_signless(64)
        others: dict[str, ir.Attribute] = {name: ir.FloatAttr.get(f64, ns) for name, ns in self.alternatives.items()}
        entries: dict[str, ir.Attribute] = {
            "name": ir.StringAttr.get(self.name),
            "layout": ir.StringAttr.get(self.layout)
            if isinstance(self.layout, str)
            else ir.IntegerAttr.get(i64, _ONE_LANE if self.layout is None else self.layout),
            "asked": ir.ArrayAttr.get([ir.StringAttr.get(text) for text in self.asked]),
            "alternatives": ir.DictAttr.get(others),
        }
        return ir.DictAttr.get(entries)

    @classmethod
    def from_attribute(cls, attribute: ir.Attribute) -> "Home":
        """Inverse of ``to_attribute``."""
        given = _entries(attribute)
        layout = given["layout"]
        text = layout.value if isinstance(layout, ir.StringAttr) else str(ir.IntegerAttr(layout).value)
        return cls(
            ir.StringAttr(given["name"]).value,
            place_of(text),
            tuple(ir.StringAttr(text).value for text in ir.ArrayAttr(given["asked"])),
            {name: ir.FloatAttr(ns).value for name, ns in _entries(given["alternatives"]).items()},
        )


@dataclass(frozen=True)
class Banks:
    """Figures of one run of ``map-banks``, the layout of every array, the implementation of every nest by name.

    ``objective_ns`` is modelled time with the price of relayout bytes, ``bound_ns`` below it for every assignment (0
    where none is known), ``gap`` their distance as a part of the objective. ``lane_utilisation`` is the part of the
    lanes that is busy in ``engine_ns``. Private copies count as relayouts; ``dram_bytes`` are those that arguments cost
    beyond being loaded once.
    """

    strategy: str
    objective_ns: float
    bound_ns: float
    gap: float
    engine_ns: float
    lane_utilisation: float
    relayouts: int
    relayout_bytes: int
    dram_bytes: int
    arrays: tuple[Home, ...]
    nests: Mapping[str, Implementation]

    def to_attribute(self) -> ir.DictAttr:
        """As a dictionary with an entry for each field."""
        f64, i64 = ir.F64Type.get(), ir.IntegerType.get_signless(64)
        nests: dict[str, ir.Attribute] = {name: chosen.to_attribute() for name, chosen in self.nests.items()}
        entries: dict[str, ir.Attribute] = {
            "strategy": ir.StringAttr.get(self.strategy),
            "arrays": ir.ArrayAttr.get([home.to_attribute() for home in self.arrays]),
            "nests": ir.DictAttr.get(nests),
        }
        entries |= {name: ir.FloatAttr.get(f64, getattr(self, name)) for name in _NUMBERS}
        entries |= {name: ir.IntegerAttr.get(i64, getattr(self, name)) for name in _COUNTS}
        return ir.DictAttr.get(entries)

    @classmethod
    def of_module(cls, module: ir.Operation) -> "Banks | None":
        """The decisions that a module carries; None where banks were not mapped, or without layouts."""
        if ATTRIBUTE not in module.attributes:
            return None
        given = _entries(module.attributes[ATTRIBUTE])
        objective, bound, gap, engine, lanes = (ir.FloatAttr(given[name]).value for name in _NUMBERS)
        relayouts, copied, loaded = (ir.IntegerAttr(given[name]).value for name in _COUNTS)
        return cls(
            ir.StringAttr(given["strategy"]).value, objective, bound, gap, engine, lanes, relayouts, copied, loaded,
            arrays=tuple(map(Home.from_attribute, ir.ArrayAttr(given["arrays"]))),
            nests={name: Implementation.from_attribute(each) for name, each in _entries(given["nests"]).items()},
        )  # fmt: skip


def _entries(attribute: ir.Attribute) -> dict[str, ir.Attribute]:
    return {entry.name: entry.attr for entry in ir.DictAttr(attribute)}
