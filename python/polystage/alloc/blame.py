"""A set to blame: a deletion filter leaves out what is not needed for a failure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from polystage.alloc.blocks import Block


@dataclass(frozen=True)
class Blame:
    """``blocks`` that fail together; ``irreducible`` when none of them can be left out."""

    blocks: tuple[Block, ...]
    irreducible: bool


def deletion_filter(blocks: Sequence[Block], fails: Callable[[Sequence[Block]], bool | None]) -> Blame:
    """A small subset of ``blocks`` that still ``fails``: long spells are left out first, single blocks last.

    ``fails`` answers None when it will not answer any more questions; what is left is then not irreducible. A set
    that does not fail once something is left out of it never fails again after more is.
    """
    kept = sorted(blocks, key=lambda block: block.lower)
    part = len(kept) // 2
    while part:
        begin = 0
        while begin < len(kept):
            rest = kept[:begin] + kept[begin + part :]
            verdict = fails(rest) if rest else False
            if verdict is None:
                return Blame(tuple(kept), irreducible=False)
            if verdict:
                kept = rest
            else:
                begin += part
        part //= 2
    return Blame(tuple(kept), irreducible=True)
