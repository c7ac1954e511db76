"""How a nest is run on the machine: which loop lies across the lanes, and on which engine its reduction is done.

The choice is made by ``map-banks`` and kept on the nest's outermost loop as ``npu.implementation``; ``stage`` and
``lower-to-npu`` follow it.
"""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.nests import Nest
from polystage.analysis.reductions import product_of, reduction_of

ATTRIBUTE = "npu.implementation"
KINDS = ("elementwise", "fold", "reduce", "contraction", "relayout")
REPLICABLE = ("elementwise", "reduce")


class MalformedImplementationError(Exception):
    """The attribute does not say how to run a nest."""


@dataclass(frozen=True)
class Implementation:
    """One implementation of one nest; loops are named by depth.

    ``elementwise``: every iteration by itself, ``lane`` across the lanes.
    ``fold``: the reduced loops run one step after another, ``lane`` across the lanes.
    ``reduce``: reduced along the free axis by the vector engine; if ``lane`` is itself reduced, then across the lanes
    by a product with ones on the matrix engine.
    ``contraction``: ``lane`` is the contracted loop, on the lanes of both operands; ``rows`` the loop of the stationary
    operand that becomes the lanes of the result (None: one row); ``stationary`` says which factor stays (0 or 1).
    ``replicated``: the result is computed on every lane alike, for readers that need all of it on each of their lanes:
    an elementwise nest without lane loop runs on all lanes, a sum across lanes is a product with a square of ones.
    ``relayout``: a copy by a transfer, not by an engine: into another layout, or to other lanes.
    """

    kind: str
    lane: int | None
    rows: int | None = None
    stationary: int = 0
    replicated: bool = False

    def to_attribute(self) -> ir.DictAttr:
        """As ``{kind = "contraction", lane = 3 : i64, ...}``."""
        i64 = ir.IntegerType.get_signless(64)
        entries: dict[str, ir.Attribute] = {"kind": ir.StringAttr.get(self.kind)}
        if self.lane is not None:
            entries["lane"] = ir.IntegerAttr.get(i64, self.lane)
        if self.kind == "contraction":
            entries["stationary"] = ir.IntegerAttr.get(i64, self.stationary)
            if self.rows is not None:
                entries["rows"] = ir.IntegerAttr.get(i64, self.rows)
        if self.replicated:
            entries["replicated"] = ir.UnitAttr.get()
        return ir.DictAttr.get(entries)

    @classmethod
    def from_attribute(cls, attribute: ir.Attribute) -> "Implementation":
        """Read the attribute back; raises MalformedImplementationError."""
        if not isinstance(attribute, ir.DictAttr):
            raise MalformedImplementationError(f"{ATTRIBUTE} is a dictionary, not {attribute}")
        entries = {entry.name: entry.attr for entry in attribute}
        kind = entries.pop("kind", None)
        if not isinstance(kind, ir.StringAttr) or kind.value not in KINDS:
            raise MalformedImplementationError(f"{ATTRIBUTE} needs kind = one of {', '.join(KINDS)}")
        replicated = entries.pop("replicated", None)
        if replicated is not None and (kind.value not in REPLICABLE or not isinstance(replicated, ir.UnitAttr)):
            raise MalformedImplementationError(
                f"{ATTRIBUTE} may be replicated, without a value, where kind is {' or '.join(REPLICABLE)}"
            )
        numbers: dict[str, int] = {}
        for key, value in entries.items():
            if key not in ("lane", "rows", "stationary") or not isinstance(value, ir.IntegerAttr) or value.value < 0:
                raise MalformedImplementationError(
                    f"{ATTRIBUTE} has kind, and as numbers lane, rows, stationary; not {key} = {value}"
                )
            numbers[key] = value.value
        return cls(
            kind.value,
            numbers.get("lane"),
            numbers.get("rows"),
            numbers.get("stationary", 0),
            replicated is not None,
        )


RELAYOUT = Implementation("relayout", None)


def implementation_of(nest: Nest, makers: str) -> Implementation:
    """How a nest is run; ``makers`` names the passes that say so.

    Raises MalformedImplementationError where the nest does not say it, or says what cannot be.
    """
    if ATTRIBUTE not in nest.op.attributes:
        raise MalformedImplementationError(f"nest has no {ATTRIBUTE}; run {makers} first")
    chosen = Implementation.from_attribute(nest.op.attributes[ATTRIBUTE])
    reduction = reduction_of(nest)
    product = None if reduction is None else product_of(nest, reduction)
    missing = {"reduce": reduction is None, "contraction": product is None}.get(chosen.kind, False)
    loops = [loop for loop in (chosen.lane, chosen.rows) if loop is not None]
    if missing or any(loop >= len(nest.extents) for loop in loops) or len(set(loops)) < len(loops):
        raise MalformedImplementationError(f"{ATTRIBUTE} = {chosen.to_attribute()} does not run this nest")
    return chosen
