"""Blocks: the buffers that share one offset because each starts in the place of the one before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm

from polystage.alloc.problem import Buffer, Problem
from polystage.errors import UserError


@dataclass(frozen=True)
class Block:
    """Buffers of one offset in the order of their lives; ``size`` is that of the largest, ``alignment`` suits all."""

    members: tuple[Buffer, ...]
    lower: int
    upper: int
    size: int
    alignment: int
    pin: int | None


def blocks(problem: Problem) -> tuple[Block, ...]:
    """The buffers of ``problem`` that take space at some time, as blocks; most have one member.

    Raises UserError when a pin is impossible whatever the other offsets: beyond capacity, or another one in the chain.
    """
    heir = {buffer.reuses: buffer for buffer in problem.buffers if buffer.reuses is not None}
    made: list[Block] = []
    for buffer in problem.buffers:
        if buffer.reuses is None:
            block = _block(tuple(_chain(buffer, heir)))
            _check_pin(block, problem.capacity)
            if block.size and block.lower < block.upper:
                made.append(block)
    return tuple(made)


def check_pins(found: Sequence[Block]) -> None:
    """Raises UserError when two pinned blocks lie on each other."""
    pinned = sorted((block for block in found if block.pin is not None), key=lambda block: block.lower)
    live: list[Block] = []
    for block in pinned:
        live = [other for other in live if other.upper > block.lower]
        for other in live:
            for late in block.members:
                for early in other.members:
                    if early.overlaps(late) and _meet(other, early, block, late):
                        raise UserError(
                            f"buffers {early.name} and {late.name} are live together and pinned on each other"
                        )
        live.append(block)


def _chain(buffer: Buffer, heir: dict[str, Buffer]) -> Iterator[Buffer]:
    each: Buffer | None = buffer
    while each is not None:
        yield each
        each = heir.get(each.name)


def _block(members: tuple[Buffer, ...]) -> Block:
    pins = {member.pin for member in members if member.pin is not None}
    if len(pins) > 1:
        names = ", ".join(member.name for member in members)
        raise UserError(f"buffers {names} share one place and are pinned at {', '.join(map(str, sorted(pins)))}")
    alignment = lcm(*(member.alignment for member in members))
    pin = next(iter(pins), None)
    if pin is not None and pin % alignment:
        raise UserError(
            f"buffer {members[0].name} is pinned at {pin}, buffers in its place need a multiple of {alignment}"
        )
    size = max(member.size for member in members)
    return Block(members, members[0].lower, members[-1].upper, size, alignment, pin)


def _check_pin(block: Block, capacity: int) -> None:
    for member in block.members:
        if block.pin is not None and block.pin + member.size > capacity:
            raise UserError(
                f"buffer {member.name} is pinned at {block.pin} and ends at {block.pin + member.size}, "
                f"beyond the capacity of {capacity} bytes"
            )


def _meet(one: Block, first: Buffer, other: Block, second: Buffer) -> bool:
    assert one.pin is not None
    assert other.pin is not None
    return one.pin < other.pin + second.size and other.pin < one.pin + first.size
