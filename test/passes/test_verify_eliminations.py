"""eliminate-copies on random chains of copies: what it does is proved, and what breaks its result is refused."""

import random
import re
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
from copy_chains import Program, chain
from torch_mlir import ir

from polystage.certify.eliminations import check
from polystage.interp import affine
from polystage.pipeline import Registry, run_pipeline

REGISTRY = Registry("polystage.passes")


@pytest.fixture(autouse=True)
def mlir_context() -> Iterator[None]:
    with ir.Context() as context:
        context.attach_diagnostic_handler(lambda _: True)
        yield


def eliminated(program: Program) -> tuple[ir.Operation, ir.Operation]:
    """The program, and what eliminate-copies makes of it."""
    before = ir.Operation.parse(f"module {{\n{program.text}\n}}").operation
    after = before.clone().operation
    run_pipeline(after, "eliminate-copies", REGISTRY)
    return before, after


def right(module: ir.Operation, program: Program) -> bool:
    """Whether a module computes what the program should, without leaving an array."""
    output = np.full_like(program.output, -99999)
    try:
        affine.run(module, [*(each.copy() for each in program.inputs), output])
    except (IndexError, ValueError):
        return False
    return np.array_equal(output, program.output)


def damaged(text: str, choose: random.Random) -> Iterator[ir.Operation]:
    """Copies of a module, each with one loop, constant or index changed."""
    lines = text.split("\n")
    places = [i for i, line in enumerate(lines) if re.search(r"affine\.(load|store|for)|arith\.constant", line)]
    while True:
        place = choose.choice(places)
        changed = [*lines]
        changed[place] = _changed(lines[place], choose)
        if changed[place] == lines[place]:
            continue
        try:
            yield ir.Operation.parse("\n".join(changed)).operation
        except ir.MLIRError:
            continue


def _changed(line: str, choose: random.Random) -> str:
    if "affine.for" in line:
        return re.sub(r" to (\d+)", lambda found: f" to {max(1, int(found[1]) - 1)}", line)
    if "constant" in line:
        return re.sub(r"constant (-?\d+)", lambda found: f"constant {int(found[1]) + 1}", line)
    head, _, rest = line.partition("[")
    inside, _, tail = rest.rpartition("]")
    indices = inside.split(", ")
    k, j = (choose.randrange(len(indices)) for _ in range(2))
    match choose.randrange(4):
        case 0:
            indices[k] += " + 1"
        case 1:
            indices[k] += " - 1"
        case 2:
            indices[k], indices[j] = indices[j], indices[k]
        case _:
            indices[k] = "0"
    return f"{head}[{', '.join(indices)}]{tail}"


@pytest.mark.parametrize("seed", range(40))
def test_chains_are_proved_and_damage_is_refused(seed: int):
    choose = random.Random(seed)
    program = chain(choose.randrange)
    before, after = eliminated(program)
    verdict = check(before, after)
    assert [str(refusal) for refusal in verdict.refusals] == []
    for module in islice(damaged(str(after), choose), 3):
        assert right(module, program) or not check(before, module).holds
