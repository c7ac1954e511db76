"""Random npu programs: tiles of DRAM arrays are loaded, worked on and stored, in nested loops, each transfer waited for
at once. Every element that is read has been written before.
"""

import random
from dataclasses import dataclass, field

COLUMNS = 48
WIDTH = 4
ARRAYS = ("x", "y", "m")
DRAM = f"memref<8x{COLUMNS}xf32>"
WIDE = f"memref<8x{COLUMNS}xf32, #npu.sbuf>"
TILE = f"memref<8x{WIDTH}xf32, #npu.sbuf>"


@dataclass
class Scope:
    """``loops`` around, by name and trips; ``tiles`` are to be used here, those of ``ready`` hold something."""

    loops: list[tuple[str, int]]
    tiles: list[str]
    ready: set[str]


@dataclass
class Generator:
    """Writes one program of about ``size`` statements."""

    choose: random.Random
    lines: list[str] = field(default_factory=list[str])
    number: int = 0
    count: int = 0

    def program(self, size: int) -> str:
        begin = [
            f'%m = memref.alloc() {{polystage.name = "m"}} : {DRAM}',
            f'%z = memref.alloc() {{polystage.name = "z"}} : {WIDE}',
            f'"npu.memset"(%z) {{value = 0.5 : f32, maps = [affine_map<(d0, d1) -> (d0, d1)>], '
            f"sizes = array<i64: 8, {COLUMNS}>}} : ({WIDE}) -> ()",
        ]
        for array in ("m", "y"):
            self.number += 1
            whole = "affine_map<(d0, d1) -> (d0, d1)>"
            begin.append(
                f'%k{self.number} = "npu.dma_start"(%z, %{array}) {{cause = "intermediate", maps = [{whole}, {whole}], '
                f"sizes = array<i64: 8, {COLUMNS}>}} : ({WIDE}, {DRAM}) -> !npu.token"
            )
            begin.append(f'"npu.dma_wait"(%k{self.number}) : (!npu.token) -> ()')
        self.block(Scope([], self.tiles(4), set()), size)
        tiles = [f'%t{k} = memref.alloc() {{polystage.name = "t{k}"}} : {TILE}' for k in range(self.count)]
        body = "\n".join([*begin, *tiles, *self.lines])
        return (
            f'func.func @main(%x: {DRAM} {{polystage.name = "x", polystage.kind = "input"}}, '
            f'%y: {DRAM} {{polystage.name = "y", polystage.kind = "output"}}) {{\n{body}\nreturn\n}}'
        )

    def block(self, scope: Scope, size: int) -> None:
        for _ in range(size):
            kind = self.choose.choice(("load", "load", "store", "store", "add", "add", "memset", "loop", "loop"))
            if kind == "loop" and len(scope.loops) < 2 and size > 1:
                self.loop(scope, self.choose.randint(2, 6))
            elif kind in ("load", "memset") or not scope.ready:
                tile = self.choose.choice(scope.tiles)
                self.memset(tile) if kind == "memset" else self.transfer(scope, tile, load=True)
                scope.ready.add(tile)
            elif kind == "store":
                self.transfer(scope, self.choose.choice(sorted(scope.ready)), load=False)
            else:
                tile = self.choose.choice(scope.tiles)
                self.add(tile, *self.choose.choices(sorted(scope.ready), k=2))
                scope.ready.add(tile)

    def loop(self, scope: Scope, size: int) -> None:
        self.number += 1
        name, trips = f"i{self.number}", self.choose.randint(1, 6)
        self.lines.append(f"affine.for %{name} = 0 to {trips} {{")
        shared = self.choose.random() < 0.3
        tiles = [*self.tiles(3), *(scope.tiles if shared else [])]
        inner = Scope([*scope.loops, (name, trips)], tiles, set(scope.ready) if shared else set())
        self.block(inner, size)
        self.lines.append("}")
        if self.choose.random() < 0.3:
            scope.ready |= inner.ready

    def tiles(self, count: int) -> list[str]:
        self.count += count
        return [f"t{self.count - k - 1}" for k in range(count)]

    def transfer(self, scope: Scope, tile: str, *, load: bool) -> None:
        self.number += 1
        array = self.choose.choice(ARRAYS if load else ARRAYS[1:])
        room, terms = COLUMNS - WIDTH, ["d1"]
        for k, (_, trips) in enumerate(scope.loops):
            factor = self.choose.choice((0, WIDTH, WIDTH, WIDTH // 2, 1))
            if factor * (trips - 1) <= room:
                room -= factor * (trips - 1)
                terms.append(f"{factor} * s{k}")
        terms.append(str(self.choose.choice((0, 0, WIDTH, room)) if room >= WIDTH else 0))
        symbols = ", ".join(f"s{k}" for k in range(len(scope.loops)))
        far = f"affine_map<(d0, d1)[{symbols}] -> (d0, {' + '.join(terms)})>"
        near = f"affine_map<(d0, d1)[{symbols}] -> (d0, d1)>"
        sides = [(f"%{array}", DRAM, far), (f"%{tile}", TILE, near)]
        if not load:
            sides.reverse()
        names = ", ".join([*(side[0] for side in sides), *(f"%{name}" for name, _ in scope.loops)])
        types = ", ".join([*(side[1] for side in sides), *("index" for _ in scope.loops)])
        self.lines.append(
            f'%k{self.number} = "npu.dma_start"({names}) {{cause = "input", maps = [{sides[0][2]}, {sides[1][2]}], '
            f"sizes = array<i64: 8, {WIDTH}>}} : ({types}) -> !npu.token"
        )
        self.lines.append(f'"npu.dma_wait"(%k{self.number}) : (!npu.token) -> ()')

    def add(self, *tiles: str) -> None:
        maps = ", ".join(["affine_map<(d0, d1) -> (d0, d1)>"] * 3)
        op = self.choose.choice(("add", "multiply", "subtract"))
        self.lines.append(
            f'"npu.tensor_tensor"({", ".join(f"%{tile}" for tile in tiles)}) {{op = "{op}", maps = [{maps}], '
            f"sizes = array<i64: 8, {WIDTH}>}} : ({', '.join([TILE] * 3)}) -> ()"
        )

    def memset(self, tile: str) -> None:
        self.lines.append(
            f'"npu.memset"(%{tile}) {{value = {self.choose.randint(1, 9)}.0 : f32, '
            f"maps = [affine_map<(d0, d1) -> (d0, d1)>], sizes = array<i64: 8, {WIDTH}>}} : ({TILE}) -> ()"
        )


def program(seed: int, size: int = 8) -> str:
    """The program of a seed."""
    return Generator(random.Random(seed)).program(size)
