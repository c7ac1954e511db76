"""The offset that ``stage`` planned for a buffer in SBUF, on its alloc, so that what it packed is known to pack.

In bytes of a lane behind those that are reserved. ``allocate`` may choose another address.
"""

from torch_mlir import ir

PLANNED = "polystage.planned"


def plan_offset(alloc: ir.Operation, offset: int) -> None:
    """Plan that the buffer of ``alloc`` lies at ``offset``."""
    alloc.attributes[PLANNED] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), offset)


def planned_offset(alloc: ir.Operation) -> int | None:
    """Where the buffer of ``alloc`` is planned to lie."""
    offset = alloc.attributes.get(PLANNED, None)
    return offset.value if isinstance(offset, ir.IntegerAttr) else None
