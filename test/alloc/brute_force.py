"""Whether a packing exists, by trying every offset of every buffer; and small random problems to ask it about."""

import random

from polystage.alloc import Buffer, Problem


def fits(problem: Problem) -> bool:
    """Whether ``problem`` has a packing; for a handful of buffers and a few dozen bytes."""
    return _place(problem, tuple(sorted(problem.buffers, key=lambda each: (each.pin is None, -each.size))), {})


def _place(problem: Problem, rest: tuple[Buffer, ...], placed: dict[str, int]) -> bool:
    if not rest:
        return True
    buffer = rest[0]
    for offset in [buffer.pin] if buffer.pin is not None else range(0, problem.capacity + 1, buffer.alignment):
        if offset + buffer.size <= problem.capacity and _legal(problem, buffer, offset, placed):
            placed[buffer.name] = offset
            if _place(problem, rest[1:], placed):
                return True
            del placed[buffer.name]
    return False


def _legal(problem: Problem, buffer: Buffer, offset: int, placed: dict[str, int]) -> bool:
    for other in problem.buffers:
        at = placed.get(other.name)
        if at is None:
            continue
        if other.name == buffer.reuses or other.reuses == buffer.name:
            if at != offset:
                return False
        elif buffer.overlaps(other) and at < offset + buffer.size and offset < at + other.size:
            return False
    return True


def tiny_problem(seed: int) -> Problem:
    """Four to seven buffers; some problems have alignments, pins and reuse. About half of them have a packing."""
    rng = random.Random(seed)
    alignments = rng.choice([[1], [1], [2], [1, 2, 3], [2, 4, 6]])
    made: list[Buffer] = []
    for i in range(rng.randrange(4, 8)):
        lower = rng.randrange(7)
        made.append(Buffer(f"b{i}", lower, lower + rng.randrange(1, 6), rng.randrange(1, 7), rng.choice(alignments)))
    if seed % 3 == 0:
        made = _with_heir(made, rng)
    loads = [sum(each.size for each in made if each.lower <= time < each.upper) for time in range(12)]
    capacity = max(loads) + rng.choice([-1, 0, 0, 0, 0, 1])
    highest = capacity - max(each.size for each in made if each.name == "b0" or each.reuses)
    if seed % 4 == 0 and highest >= 0:
        pin = rng.randrange(0, highest + 1, made[0].alignment)
        made[0] = Buffer("b0", made[0].lower, made[0].upper, made[0].size, made[0].alignment, pin)
    return Problem(capacity, tuple(made))


def _with_heir(made: list[Buffer], rng: random.Random) -> list[Buffer]:
    """One more buffer, in the place of the first."""
    first = made[0]
    lower = rng.randrange(first.lower + 1, first.upper + 1)
    return [*made, Buffer("heir", lower, first.upper + rng.randrange(1, 4), rng.randrange(1, 7), 1, reuses="b0")]
