"""What an engine instruction does, as a plan: the operands it fetches, in which shape, and a function on the views."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from polystage.dialects.npu import Instruction
from polystage.interp.access import Access
from polystage.interp.core import Decoder

Compute = Callable[..., None]
"""Takes the views in the order of ``Plan.uses``; those that are written come last."""


@dataclass(frozen=True)
class Use:
    """One access: memref operand ``position``, seen with box dimensions ``dims`` (None = extent 1), read or written."""

    position: int
    dims: tuple[int | None, ...]
    write: bool = False


@dataclass(frozen=True)
class Plan:
    """How to execute one instruction. ``tune``, if given, chooses the function by how the operands lie."""

    uses: tuple[Use, ...]
    compute: Compute
    tune: Callable[[Sequence[Access]], Compute] | None = None


Planner = Callable[[Decoder, Instruction, Sequence[str]], Plan]
"""Makes the plan of an instruction whose memref operands have the given element types."""

Planners = Mapping[str, Planner]


def box(instruction: Instruction) -> tuple[int, ...]:
    """All dimensions of the instruction's box."""
    return tuple(range(len(instruction.sizes)))


def per_lane(instruction: Instruction) -> tuple[int | None, ...]:
    """The lane dimension alone: one value per lane, to be broadcast."""
    return (0, *[None] * (len(instruction.sizes) - 1))
