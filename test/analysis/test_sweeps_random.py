"""Sweeps of random programs of windowed operations, executed element by element."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from sweeping import check, group, name_of, nests

from polystage.analysis.groups import Refused, Tile
from polystage.analysis.sweeps import sweep

Shape = tuple[int, int]


@dataclass
class Builder:
    """Lines of a program over arrays of two dimensions."""

    data: st.DataObject
    shapes: dict[str, Shape] = field(default_factory=lambda: {"x": (7, 6), "w": (3, 3)})
    lines: list[str] = field(default_factory=list[str])

    def integer(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def array(self, rows: int, columns: int) -> str:
        name = f"t{len(self.shapes)}"
        self.shapes[name] = (rows, columns)
        return name

    def source(self) -> str:
        return self.data.draw(st.sampled_from([name for name in self.shapes if name != "w"][-3:]))

    def line(self, extents: Sequence[int], text: str) -> None:
        self.lines.append(f"{'x'.join(map(str, extents))}: {text}")

    def place(self, rows: int, columns: int) -> tuple[str, Shape]:
        """A new array with a border around a part of it, filled before or after."""
        above, below, left, right = (self.integer(0, 1) for _ in range(4))
        name = self.array(rows + above + below, columns + left + right)
        before, after = self.data.draw(st.sampled_from([(True, False), (False, True)]))
        if before:
            self.line(self.shapes[name], f"{name}[d0, d1] =")
        if after:
            self.borders.append((name, above, below, left, right))
        return name, (above, left)

    borders: list[tuple[str, int, int, int, int]] = field(default_factory=list[tuple[str, int, int, int, int]])

    def fill_borders(self) -> None:
        for name, above, below, left, right in self.borders:
            rows, columns = self.shapes[name]
            for there, extents, text in (
                (above, (1, columns), "0, d1"),
                (below, (1, columns), f"{rows - 1}, d1"),
                (left, (rows - above - below, 1), f"d0 + {above}, 0"),
                (right, (rows - above - below, 1), f"d0 + {above}, {columns - 1}"),
            ):
                if there:
                    self.line(extents, f"{name}[{text}] =")
        self.borders.clear()

    def window(self) -> None:
        """A convolution or pool with its own kernel, stride and dilation in each direction."""
        source = self.source()
        kernel = [self.integer(1, 3) for _ in range(2)]
        stride = [self.integer(1, 3) for _ in range(2)]
        dilation = [self.integer(1, 2) for _ in range(2)]
        window = zip(self.shapes[source], kernel, stride, dilation, strict=True)
        sizes = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in window]
        if min(sizes) < 1:
            return
        name, (above, left) = self.place(*sizes)
        self.line(sizes, f"{name}[d0 + {above}, d1 + {left}] =")
        row, column = f"{stride[0]}*d0 + {dilation[0]}*d2", f"{stride[1]}*d1 + {dilation[1]}*d3"
        target = f"{name}[d0 + {above}, d1 + {left}]"
        self.line((*sizes, *kernel), f"{target} += {source}[{row}, {column}], w[d2, d3]")
        self.fill_borders()

    def join(self) -> None:
        """A sum of two arrays where both have elements."""
        a, b = self.source(), self.source()
        sizes = [min(m, n) for m, n in zip(self.shapes[a], self.shapes[b], strict=True)]
        shift = [self.integer(0, n - size) for n, size in zip(self.shapes[a], sizes, strict=True)]
        name, (above, left) = self.place(*sizes)
        self.line(sizes, f"{name}[d0 + {above}, d1 + {left}] = {a}[d0 + {shift[0]}, d1 + {shift[1]}], {b}[d0, d1]")
        self.fill_borders()

    def concat(self) -> None:
        a, b = self.source(), self.source()
        (m, p), (n, q) = self.shapes[a], self.shapes[b]
        if self.integer(0, 1):
            name = self.array(m + n, min(p, q))
            self.line((m, min(p, q)), f"{name}[d0, d1] = {a}[d0, d1]")
            self.line((n, min(p, q)), f"{name}[d0 + {m}, d1] = {b}[d0, d1]")
        else:
            name = self.array(min(m, n), p + q)
            self.line((min(m, n), p), f"{name}[d0, d1] = {a}[d0, d1]")
            self.line((min(m, n), q), f"{name}[d0, d1 + {p}] = {b}[d0, d1]")

    def statistics(self) -> None:
        """Row sums, and their use in every column."""
        a = self.source()
        m, n = self.shapes[a]
        sums, name = self.array(m, 1), self.array(m, n)
        self.line((m,), f"{sums}[d0, 0] =")
        self.line((m, n), f"{sums}[d0, 0] += {a}[d0, d1]")
        self.line((m, n), f"{name}[d0, d1] = {a}[d0, d1], {sums}[d0, 0]")

    def turn(self) -> None:
        a = self.source()
        m, n = self.shapes[a]
        self.line((n, m), f"{self.array(n, m)}[d0, d1] = {a}[d1, d0]")

    def flip(self) -> None:
        a = self.source()
        m, n = self.shapes[a]
        name = self.array(m, n)
        text = (f"{name}[{m - 1} - d0, d1]", f"{a}[d0, d1]")
        if self.integer(0, 1):
            text = (f"{name}[d0, d1]", f"{a}[{m - 1} - d0, d1]")
        self.line((m, n), f"{text[0]} = {text[1]}")

    def upsample(self) -> None:
        a = self.source()
        m, n = self.shapes[a]
        if 2 * m <= 12:
            self.line((m, 2, n), f"{self.array(2 * m, n)}[2*d0 + d1, d2] = {a}[d0, d2]")

    def product(self) -> None:
        a, b = self.source(), self.source()
        (m, k), (kk, n) = self.shapes[a], self.shapes[b]
        name = self.array(m, n)
        self.line((m, n), f"{name}[d0, d1] =")
        self.line((m, n, min(k, kk)), f"{name}[d0, d1] += {a}[d0, d2], {b}[d2, d1]")


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_random_programs(data: st.DataObject) -> None:
    execute(data)


@pytest.mark.long
@given(st.data())
@settings(max_examples=3000, deadline=None)
def test_many_random_programs(data: st.DataObject) -> None:
    execute(data)


def execute(data: st.DataObject) -> None:
    """A random program with a random sink and tiles, executed if it is not refused."""
    builder = Builder(data)
    operations = [builder.window, builder.window, builder.join, builder.concat, builder.statistics, builder.turn]
    operations += [builder.flip, builder.upsample, builder.product]
    for _ in range(data.draw(st.integers(1, 5))):
        data.draw(st.sampled_from(operations))()
    if not builder.lines:
        return
    program = nests({name: f"{m}x{n}" for name, (m, n) in builder.shapes.items()}, *builder.lines)
    written = sorted({line.split(": ")[1].split("[")[0] for line in builder.lines})
    live_out = data.draw(st.sets(st.sampled_from(written), max_size=3))
    last = len(program) - 1
    sink = data.draw(st.integers(max(0, last - 3), last))
    loops = data.draw(st.permutations(range(len(program[sink].extents))))[: data.draw(st.integers(1, 2))]
    tiles = [Tile(loop, data.draw(st.integers(1, 4))) for loop in loops]
    once = frozenset(data.draw(st.sampled_from([[], range(sink), data.draw(st.sets(st.integers(0, last)))])))
    found = sweep(group(program, *live_out, name_of(program[sink].store.array), sink=sink), tiles, once=once)
    event("refused" if isinstance(found, Refused) else "swept")
    if not isinstance(found, Refused):
        check(found)
