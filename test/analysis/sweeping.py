"""Groups in short notation, and an executor of sweeps element by element that trusts nothing."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from parsing import nests_of
from sweep_runs import Region, Run, schedule_of
from torch_mlir import ir

from polystage.analysis.groups import Group
from polystage.analysis.nests import Access, Linear, Load, Nest
from polystage.analysis.sweeps import Sweep
from polystage.analysis.swept_nests import swept_nest
from polystage.analysis.values import array_name

Element = tuple[int, ...]


def nests(shapes: Mapping[str, str], *lines: str) -> list[Nest]:
    """Nests from lines as ``4x5x3: c[d0, d1] += a[d0, d2], b[d2, d1]``; ``=`` without loads is a fill.

    With ``+=`` the product of the loads is summed, with ``=`` their sum is stored.
    """
    types = {name: f"memref<{shape}xf32>" for name, shape in shapes.items()}
    arguments = ", ".join(f'%{name}: {type_} {{polystage.name = "{name}"}}' for name, type_ in types.items())
    text = [f"func.func @main({arguments}) {{"]
    for number, line in enumerate(lines):
        text += _nest(number, line, types)
    return nests_of("\n".join([*text, "return }"]))


def _nest(number: int, line: str, types: Mapping[str, str]) -> Iterator[str]:
    match = re.fullmatch(r"([\dx]+): (\w+)\[([^]]*)\] (\+?=)(.*)", line)
    assert match is not None, line
    extents, target, index, sign, loads = match.groups()
    for depth, extent in enumerate(extents.split("x")):
        yield f"affine.for %d{depth} = 0 to {extent} {{"
    values: list[str] = []
    for array, place in re.findall(r"(\w+)\[([^]]*)\]", loads):
        values.append(f"%v{number}_{len(values)}")
        yield f"{values[-1]} = affine.load %{array}[{_indices(place)}] : {types[array]}"
    yield f"%s{number}_0 = arith.constant 0.0 : f32"
    count = 0
    for value in values:
        kind = "mulf" if sign == "+=" and count else "addf"
        yield f"%s{number}_{count + 1} = arith.{kind} %s{number}_{count}, {value} : f32"
        count += 1
    result = f"%s{number}_{count}"
    if sign == "+=":
        yield f"%o{number} = affine.load %{target}[{_indices(index)}] : {types[target]}"
        yield f"%r{number} = arith.addf %o{number}, {result} : f32"
        result = f"%r{number}"
    yield f"affine.store {result}, %{target}[{_indices(index)}] : {types[target]}"
    yield "}" * len(extents.split("x"))


def _indices(text: str) -> str:
    return re.sub(r"d(\d)", r"%d\1", text).replace("*", " * ")


def group(program: Sequence[Nest], *live_out: str, sink: int | None = None, live_in: Sequence[str] = ()) -> Group:
    """A group of all nests; arrays by name."""
    arrays = {access.array for nest in program for access in (*nest.loads, nest.store)}
    named = {array_name(array): array for array in arrays}
    last = len(program) - 1 if sink is None else sink
    swept = tuple(map(swept_nest, program))
    return Group(swept, last, frozenset(named[name] for name in live_out), frozenset(named[name] for name in live_in))


def name_of(array: ir.Value) -> str:
    return array_name(array)


def _value(form: Linear, point: Sequence[int]) -> int:
    return form.const + sum(factor * at for factor, at in zip(form.dims, point, strict=True))


def _element(access: Access, point: Sequence[int]) -> tuple[str, Element]:
    return array_name(access.array), tuple(_value(index, point) for index in access.indices)


Memory = dict[tuple[str, Element], int]
MODULUS = (1 << 61) - 1


def _before(place: tuple[str, Element]) -> int:
    return hash(("before", place)) % MODULUS


def _iterate(number: int, nest: Nest, point: Sequence[int], memory: Memory) -> tuple[tuple[str, Element], int]:
    """The place and the value of a store: a sum over iterations, so that reductions may run in any order."""
    target = _element(nest.store.access, point)
    places = [_element(node.access, point) for node in nest.nodes if isinstance(node, Load)]
    terms = [memory[place] for place in places if place != target]
    kept = memory[target] if target in places else 0
    reduced = tuple(at for loop, at in enumerate(point) if loop not in nest.parallel)
    return target, (hash((number, target, reduced, *terms)) + kept) % MODULUS


class _Dram(dict[tuple[str, Element], int]):
    """Elements that nobody wrote have the value from before the group."""

    def __missing__(self, place: tuple[str, Element]) -> int:
        return _before(place)


def reference(program: Sequence[Nest]) -> Memory:
    """Memory after the nests were executed one after the other."""
    memory = _Dram()
    for number, nest in enumerate(program):
        for point in product(*map(range, nest.extents)):
            place, value = _iterate(number, nest, point, memory)
            memory[place] = value
    return memory


def _places(region: Region, step: int, outer: int) -> Iterator[Element]:
    return product(
        *(
            range(first, first + span.extent)
            for span in region
            for first in [span.start + span.step * step + span.outer * outer]
        )
    )


@dataclass
class Executor:
    """Executes the schedule of a sweep on a chip that holds the windows and nothing else."""

    sweep: Sweep
    dram: Memory = field(default_factory=_Dram)
    chip: Memory = field(default_factory=dict[tuple[str, Element], int])
    held: dict[str, set[Element]] = field(default_factory=dict[str, set[Element]])
    iterations: list[int] = field(default_factory=list[int])
    loaded: dict[str, int] = field(default_factory=dict[str, int])
    stored: dict[str, int] = field(default_factory=dict[str, int])

    def run(self) -> None:
        schedule = schedule_of(self.sweep)
        self.iterations = [0] * len(self.sweep.group.nests)
        self.enter(schedule.prologue, 0, 0)
        position = 0
        for sweeps in schedule.sweeps:
            assert sweeps.first == position
            for outer in range(sweeps.count):
                self.enter(sweeps.prologue, 0, outer)
                at = 0
                for run in sweeps.steps:
                    assert run.first == at
                    for step in range(run.count):
                        self.enter(run, step, outer)
                        self.leave(run, step, outer)
                    at += run.count
                assert at == self.sweep.steps
                self.leave(sweeps.prologue, 0, outer)
                self.drop({array_name(a) for a, w in self.sweep.windows.items() if w.level > 0})
            position += sweeps.count
        assert position == self.sweep.sweeps
        self.leave(schedule.prologue, 0, 0)

    def enter(self, run: Run, step: int, outer: int) -> None:
        """Move windows on, load what is new, execute."""
        for array, motion in run.windows.items():
            name, window = array_name(array), self.sweep.windows[array]
            now = set(_places(motion.window, step, outer))
            new = set(_places(motion.new, step, outer)) if motion.new is not None else set[Element]()
            before = self.held.get(name, set())
            assert new <= now
            assert now - new <= before, (name, "kept what was not there")
            for place in before - now:
                self.chip.pop((name, place), None)
            self.held[name] = now
            assert all(span.extent <= most for span, most in zip(motion.window, window.extents, strict=True))
            if window.loaded:
                self.loaded[name] = self.loaded.get(name, 0) + len(new)
                self.chip.update({(name, place): self.dram[name, place] for place in new})
        for number, region in run.nests.items():
            assert number >= self.sweep.tail or not any(self.iterations[self.sweep.tail :]), "runs behind the tail"
            self.execute(number, region, step, outer)

    def execute(self, number: int, region: Region, step: int, outer: int) -> None:
        nest = self.sweep.group.nests[number].nest
        for point in _places(region, step, outer):
            self.iterations[number] += 1
            assert all(0 <= at < extent for at, extent in zip(point, nest.extents, strict=True))
            (name, place), value = _iterate(number, nest, point, self.chip)
            assert place in self.held[name], (name, place, "written outside of the window")
            self.chip[name, place] = value

    def leave(self, run: Run, step: int, outer: int) -> None:
        """Store what is final."""
        for array, motion in run.windows.items():
            name, window = array_name(array), self.sweep.windows[array]
            if not window.stored or motion.final is None:
                continue
            places = list(_places(motion.final, step, outer))
            self.stored[name] = self.stored.get(name, 0) + len(places)
            for place in places:
                if (name, place) in self.chip:
                    self.dram[name, place] = self.chip[name, place]
                else:
                    assert not self.sweep.covered(array), (name, place, "was never written")

    def drop(self, names: set[str]) -> None:
        for name in names:
            for place in self.held.pop(name, set[Element]()):
                self.chip.pop((name, place), None)


def check(sweep: Sweep) -> Executor:
    """Execute, compare with program order, and compare all counts."""
    group = sweep.group
    executor = Executor(sweep)
    executor.run()
    expected = reference([nest.nest for nest in group.nests])
    live = {array_name(array) for array in group.live_out}
    for place, value in expected.items():
        if place[0] in live:
            assert executor.dram[place] == value, place
    for number, nest in enumerate(group.nests):
        assert executor.iterations[number] == sweep.iterations(number)
        if number in group.complete:
            assert executor.iterations[number] >= nest.iterations
    for array, window in sweep.windows.items():
        name = array_name(array)
        assert executor.loaded.get(name, 0) == sweep.loaded(array), name
        assert executor.stored.get(name, 0) == sweep.stored(array), name
        assert window.elements >= 0
    return executor
