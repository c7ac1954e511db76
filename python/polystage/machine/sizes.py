"""Sizes of memory as people write them."""

import re

from polystage.errors import UserError

_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def parse_bytes(text: str) -> int:
    """``262144``, ``256KiB``, ``1.5MiB`` as a number of bytes. Raises UserError for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2] not in _UNITS:
        raise UserError(f"{text!r} is no size in bytes; write it as 262144, 256KiB, 24MiB or 1GiB")
    value = float(match[1]) * _UNITS[match[2]]
    if value != int(value):
        raise UserError(f"{text!r} is {value:g} bytes, which is not a whole number")
    return int(value)


def format_bytes(count: int) -> str:
    """``count`` bytes in the largest unit that divides it: ``192KiB``, ``100B``; ``parse_bytes`` reads it back."""
    for unit in ("GiB", "MiB", "KiB"):
        if count and count % _UNITS[unit] == 0:
            return f"{count // _UNITS[unit]}{unit}"
    return f"{count}B"
