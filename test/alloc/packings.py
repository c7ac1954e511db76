"""Random perfect packings: time x memory, cut without a gap by guillotines and pinwheels."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from polystage.alloc import Buffer, Problem


@dataclass(frozen=True)
class Rectangle:
    """``[left, right)`` of time, ``[bottom, top)`` of memory."""

    left: int
    right: int
    bottom: int
    top: int

    @property
    def area(self) -> int:
        return (self.right - self.left) * (self.top - self.bottom)


@dataclass(frozen=True)
class Recipe:
    """``count`` rectangles or a few more; ``pinwheels`` is the part of the cuts that makes five rectangles of one."""

    seed: int
    count: int
    pinwheels: float
    life: int = 1 << 20
    capacity: int = 1 << 20

    def problem(self, less: int = 0) -> Problem:
        """The buffers in random order; infeasible when the capacity is ``less`` by anything."""
        rng = random.Random(self.seed)
        pieces = [Rectangle(0, self.life, 0, self.capacity)]
        while len(pieces) < self.count:
            chosen = max(rng.sample(range(len(pieces)), min(3, len(pieces))), key=lambda i: pieces[i].area)
            pieces[chosen : chosen + 1] = self._cut(pieces[chosen], rng)
        rng.shuffle(pieces)
        return Problem(self.capacity - less, tuple(_buffers(pieces)))

    def _cut(self, piece: Rectangle, rng: random.Random) -> Sequence[Rectangle]:
        width, height = piece.right - piece.left, piece.top - piece.bottom
        if rng.random() < self.pinwheels and min(width, height) > 2:
            return _pinwheel(piece, rng)
        upright = width / self.life > height / self.capacity if rng.random() < 0.7 else rng.random() < 0.5
        if upright and width > 1:
            at = rng.randrange(piece.left + 1, piece.right)
            return Rectangle(piece.left, at, piece.bottom, piece.top), Rectangle(
                at, piece.right, piece.bottom, piece.top
            )
        if not upright and height > 1:
            at = rng.randrange(piece.bottom + 1, piece.top)
            return Rectangle(piece.left, piece.right, piece.bottom, at), Rectangle(
                piece.left, piece.right, at, piece.top
            )
        return (piece,)


def twenty() -> tuple[Recipe, ...]:
    """From 150 to 500 buffers; a quarter without pinwheels, a quarter without guillotines.

    In the first group of four hardly two numbers are equal, in the fourth most are.
    """
    grids = ((1 << 20, 1 << 20), (200, 4096), (1000, 1 << 20), (60, 512), (1 << 20, 1 << 20))
    return tuple(
        Recipe(seed, random.Random(1000 + seed).randrange(150, 500), (0.0, 0.2, 0.5, 1.0)[seed % 4], *grids[seed // 4])
        for seed in range(20)
    )


def _pinwheel(piece: Rectangle, rng: random.Random) -> tuple[Rectangle, ...]:
    x0, x3, y0, y3 = piece.left, piece.right, piece.bottom, piece.top
    x1, x2 = sorted(rng.sample(range(x0 + 1, x3), 2))
    y1, y2 = sorted(rng.sample(range(y0 + 1, y3), 2))
    centre = Rectangle(x1, x2, y1, y2)
    if rng.random() < 0.5:
        low, right = Rectangle(x0, x2, y0, y1), Rectangle(x2, x3, y0, y2)
        high, left = Rectangle(x1, x3, y2, y3), Rectangle(x0, x1, y1, y3)
    else:
        low, right = Rectangle(x1, x3, y0, y1), Rectangle(x2, x3, y1, y3)
        high, left = Rectangle(x0, x2, y2, y3), Rectangle(x0, x1, y0, y2)
    return low, right, high, left, centre


def _buffers(pieces: Sequence[Rectangle]) -> list[Buffer]:
    return [Buffer(f"b{i}", each.left, each.right, each.top - each.bottom) for i, each in enumerate(pieces)]
