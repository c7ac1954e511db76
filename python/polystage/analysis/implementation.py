"""How a nest is run on the machine: which loop lies across the lanes, and on which engine its reduction is done.

The choice is made by ``map-banks`` and kept on the nest's outermost loop as ``npu.implementation``; ``stage`` and
``lower-to-npu`` follow it.
"""

from dataclasses import dataclass

from torch_mlir import ir

ATTRIBUTE = "npu.implementation"
KINDS = ("elementwise", "fold", "reduce", "contraction")


@dataclass(frozen=True)
class Implementation:
    """One implementation of one nest; loops are named by depth.

    ``elementwise``: every iteration by itself, ``lane`` across the lanes.
    ``fold``: the reduced loops run one step after another, ``lane`` across the lanes.
    ``reduce``: reduced along the free axis by the vector engine; if ``lane`` is itself reduced, then across the lanes
    by a product with ones on the matrix engine.
    ``contraction``: ``lane`` is the contracted loop, on the lanes of both operands; ``rows`` the loop of the stationary
    operand that becomes the lanes of the result (None: one row); ``stationary`` says which factor stays (0 or 1).
    """

    kind: str
    lane: int | None
    rows: int | None = None
    stationary: int = 0

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
        return ir.DictAttr.get(entries)

    @classmethod
    def from_attribute(cls, attribute: ir.Attribute) -> "Implementation":
        """Read the attribute back; ValueError when it is malformed."""
        entries = ir.DictAttr(attribute)
        if "kind" not in entries or ir.StringAttr(entries["kind"]).value not in KINDS:
            raise ValueError(f"{ATTRIBUTE} needs kind = one of {', '.join(KINDS)}")

        def number(key: str) -> int | None:
            return ir.IntegerAttr(entries[key]).value if key in entries else None

        return cls(ir.StringAttr(entries["kind"]).value, number("lane"), number("rows"), number("stationary") or 0)
