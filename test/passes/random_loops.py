"""Random npu programs of loops whose instructions run on several engines: tiles that take turns, products in PSUM.

Every element that is read has been written before: wide arrays in the beginning, tiles earlier in their iteration.
"""

import random
from dataclasses import dataclass, field

ROWS, WIDTH = 12, 8
DRAM = f"memref<8x{ROWS}x{WIDTH}xf32>"
WIDE = f"memref<8x{ROWS}x{WIDTH}xf32, #npu.sbuf>"
WHOLE = "affine_map<(d0, d1, d2) -> (d0, d1, d2)>"
WIDES = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Place:
    """A tile of 8 lanes and ``WIDTH`` elements: row ``place`` of a buffer."""

    buffer: str
    type: str
    place: str


@dataclass
class Generator:
    """Writes one program; ``indices`` are those of the loop: iteration, turn in SBUF, turn in PSUM."""

    choose: random.Random
    allocs: list[str] = field(default_factory=list[str])
    lines: list[str] = field(default_factory=list[str])
    number: int = 0
    indices: str = ""

    def program(self, size: int) -> str:
        for name in WIDES:
            self.allocs.append(f'%{name} = memref.alloc() {{polystage.name = "{name}"}} : {WIDE}')
            self.lines.append(
                f'"npu.memset"(%{name}) {{value = {self.choose.randint(1, 4)}.5 : f32, maps = [{WHOLE}], '
                f"sizes = array<i64: 8, {ROWS}, {WIDTH}>}} : ({WIDE}) -> ()"
            )
        self.transfer("x", DRAM, "a", WIDE)
        for _ in range(size):
            self.loop()
        self.transfer(self.choose.choice(WIDES), WIDE, "y", DRAM)
        body = "\n".join([*self.allocs, *self.lines])
        return (
            f'func.func @main(%x: {DRAM} {{polystage.name = "x", polystage.kind = "input"}}, '
            f'%y: {DRAM} {{polystage.name = "y", polystage.kind = "output"}}) {{\n{body}\nreturn\n}}'
        )

    def transfer(self, source: str, source_type: str, target: str, target_type: str) -> None:
        self.number += 1
        self.lines.append(
            f'%k{self.number} = "npu.dma_start"(%{source}, %{target}) {{cause = "input", maps = [{WHOLE}, {WHOLE}], '
            f"sizes = array<i64: 8, {ROWS}, {WIDTH}>}} : ({source_type}, {target_type}) -> !npu.token"
        )
        self.lines.append(f'"npu.dma_wait"(%k{self.number}) : (!npu.token) -> ()')

    def loop(self) -> None:
        self.number += 1
        name, trips = f"i{self.number}", self.choose.randint(1, 6)
        turns = self.choose.choice((1, 2, 2, 3))
        self.indices = f"%{name}, %u{name}, %v{name}"
        self.lines += [
            f"affine.for %{name} = 0 to {trips} {{",
            f"%u{name} = affine.apply affine_map<(d0) -> (d0 mod {turns})>(%{name})",
            f"%v{name} = affine.apply affine_map<(d0) -> (d0 mod 2)>(%{name})",
        ]
        tiles: list[Place] = []
        for _ in range(self.choose.randint(1, 4)):
            kind = self.choose.choice(("activation", "tensor_tensor", "matmul", "activation"))
            if kind == "matmul":
                tiles.append(self.matmul())
                continue
            made = self.choose.random() < 0.5
            target = self.tile(turns) if made else self.wide()
            self.compute(kind, target, *(self.choose.choice([*tiles, self.wide(), self.wide()]) for _ in range(2)))
            tiles += [target] * made
        self.compute("tensor_tensor", self.wide(), self.choose.choice(tiles or [self.wide()]), self.wide())
        self.lines.append("}")

    def wide(self) -> Place:
        """A row of a wide array: that of the iteration, one near to it, or always the same."""
        row = self.choose.choice(("s0", "s0", f"s0 + {self.choose.randint(0, 6)}", str(self.choose.randint(0, 11))))
        return Place(self.choose.choice(WIDES), WIDE, row)

    def tile(self, turns: int) -> Place:
        """A new buffer of tiles that take turns."""
        return self.buffer(f"memref<8x{turns}x{WIDTH}xf32, #npu.sbuf>", "s1")

    def buffer(self, type_: str, place: str) -> Place:
        self.number += 1
        self.allocs.append(f'%t{self.number} = memref.alloc() {{polystage.name = "t{self.number}"}} : {type_}')
        return Place(f"t{self.number}", type_, place)

    def matmul(self) -> Place:
        """One or two products into a new buffer of PSUM, of one bank or of two that take turns."""
        banks = self.choose.choice((1, 2, 2))
        target = self.buffer(f"memref<8x{banks}x16xf32, #npu.psum>", "s2" if banks > 1 else "0")
        for accumulate in ("false", "true")[: self.choose.randint(1, 2)]:
            stationary, moving = self.wide(), self.wide()
            maps = [
                f"affine_map<(d0, d1, d2)[s0, s1, s2] -> ({', '.join(dims)})>"
                for dims in (("d1", target.place, "d2"), ("d0", stationary.place, "d1"), ("d0", moving.place, "d2"))
            ]
            self.lines.append(
                f'"npu.matmul"(%{target.buffer}, %{stationary.buffer}, %{moving.buffer}, {self.indices}) '
                f"{{accumulate = {accumulate}, maps = [{', '.join(maps)}], sizes = array<i64: 8, 8, {WIDTH}>}} : "
                f"({target.type}, {WIDE}, {WIDE}, index, index, index) -> ()"
            )
        return target

    def compute(self, kind: str, *places: Place) -> None:
        """``tensor_tensor`` of a target and two sources, or ``activation`` of a target and one."""
        places = places if kind == "tensor_tensor" else places[:2]
        maps = ", ".join(f"affine_map<(d0, d1)[s0, s1, s2] -> (d0, {place.place}, d1)>" for place in places)
        if kind == "tensor_tensor":
            how = f'op = "{self.choose.choice(("add", "subtract", "max"))}"'
        else:
            how = 'func = "tanh", operandSegmentSizes = array<i32: 1, 1, 0, 0, 3>'
        self.lines.append(
            f'"npu.{kind}"({", ".join(f"%{place.buffer}" for place in places)}, {self.indices}) {{{how}, '
            f"maps = [{maps}], sizes = array<i64: 8, {WIDTH}>}} : "
            f"({', '.join(place.type for place in places)}, index, index, index) -> ()"
        )


def program(seed: int, size: int = 5) -> str:
    """The program of a seed."""
    return Generator(random.Random(seed)).program(size)
