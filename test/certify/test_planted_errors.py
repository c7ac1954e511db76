"""Wrong eliminations, each one change away from a right one, and the law that the checker says they break."""

from dataclasses import dataclass

import pytest
from pairs import PAIRS
from programs import program
from torch_mlir import ir

from polystage.certify.eliminations import LAWS, Refusal, check


@dataclass(frozen=True)
class Planted:
    """In the later program of ``pair``, or its certificates, ``right`` became ``wrong``; first refused by ``law``."""

    pair: str
    right: str
    wrong: str
    law: str


ERRORS = {
    "wrong-offset": Planted("strided", "x[13 - i * 3]", "x[12 - i * 3]", "source"),
    "stride-error": Planted("strided", "x[13 - i * 3]", "x[13 - i * 2]", "source"),
    "reversal-forgotten": Planted("strided", "x[13 - i * 3]", "x[i * 3 + 1]", "source"),
    "dimensions-swapped": Planted(
        "reshape", "i floordiv 2, (i mod 2) * 3 + j", "i mod 4, (i floordiv 4) * 3 + j", "source"
    ),
    "wrong-radix": Planted("reshape", "(i mod 2) * 3 + j", "(i mod 2) + j * 2", "source"),
    "wrong-source-array": Planted("split", "exp(b[i, j])", "exp(a[i, j mod 3])", "source"),
    "broadcast-along-the-wrong-dimension": Planted("broadcast", "b[j]", "b[i]", "source"),
    "wrong-piece": Planted("split", "y[i, j + 3] = exp(b[i, j])", "y[i, j + 3] = exp(b[i, 4 - j])", "source"),
    "pieces-stored-crosswise": Planted("split", "4 5 | y[i, j + 3]", "4 5 | y[i, j + 4]", "source"),
    "partial-domain": Planted("split", "4 5 | y", "4 4 | y", "partition"),
    "unsplit-nest-shortened": Planted("forward", "6 4 | t1[i, j]", "5 4 | t1[i, j]", "order"),
    "piece-missing": Planted("split", "4 3 | y[i, j] = exp(a[i, j]) | y#0", "", "partition"),
    "pieces-overlap": Planted("split", "4 | y[i, 8]", "4 3 | y[i, j] = exp(a[i, j]) | y#0 \n 4 | y[i, 8]", "partition"),
    "fill-value-changed": Planted("split", "exp(0.0)", "exp(1.0)", "source"),
    "sign-of-zero": Planted("split", "exp(0.0)", "exp(-0.0)", "source"),
    "border-value-changed": Planted("pad", "t1[5, i] = 0.0", "t1[5, i] = 1.0", "source"),
    "border-not-filled": Planted("pad", "4 | t1[i + 1, 5] = 0.0", "", "order"),
    "border-fills-the-inside": Planted(
        "pad", "4 4 | t2[i, j] = 0.0", "4 4 | t2[i, j] = 0.0 \n 4 | t1[i + 1, 4] = 0.0", "source"
    ),
    "written-at-the-wrong-place": Planted("pad", "t1[i + 1, j + 1] = exp", "t1[i + 1, j + 2] = exp", "source"),
    "read-before-write": Planted(
        "concat",
        "4 5 | t2[i, j + 3] = exp(t2[i, 0]) | t1#0\n    4 8 | y[i, j] = exp(t2[i, j]) | y#0",
        "4 8 | y[i, j] = exp(t2[i, j]) | y#0 \n 4 5 | t2[i, j + 3] = exp(t2[i, 0]) | t1#0",
        "order",
    ),
    "homes-overlap": Planted("concat", "t2[i, j + 3] = exp(t2[i, 0])", "t2[i, j + 2] = exp(t2[i, 0])", "source"),
    "other-reader-not-moved": Planted("concat", "z[i, j] = exp(t2[i, j + 3])", "z[i, j] = exp(t2[i, j])", "source"),
    "missed-writer": Planted("join", "x[(i + 3) mod 8]", "x[i + 3]", "bounds"),
    "reduced-range-overlaps": Planted("split-reduction", "b[i, k], w[k + 3, j]", "b[i, k], w[k + 2, j]", "source"),
    "reduced-range-done-twice": Planted(
        "split-reduction",
        "4 6 3 | t1[i, j] += mul(a[i, k], w[k, j]) | t1#1",
        "4 6 3 | t1[i, j] += mul(a[i, k], w[k, j]) | t1#1 \n 4 6 3 | t1[i, j] += mul(a[i, k], w[k, j]) | t1#1",
        "partition",
    ),
    "reduced-range-gap": Planted("split-reduction", "4 6 5 | t1", "4 6 4 | t1", "source"),
    "reduction-read-half-way": Planted(
        "split-reduction",
        "4 6 5 | t1[i, j] += mul(b[i, k], w[k + 3, j]) | t1#1\n    4 6 | y[i, j] = exp(t1[i, j]) | y#0",
        "4 6 | y[i, j] = exp(t1[i, j]) | y#0\n    4 6 5 | t1[i, j] += mul(b[i, k], w[k + 3, j]) | t1#1",
        "source",
    ),
    "pieces-into-different-elements": Planted(
        "split-reduction",
        "t1[i, j] += mul(b[i, k], w[k + 3, j])",
        "t1[3 - i, j] += mul(b[i, k], w[k + 3, j])",
        "source",
    ),
    "start-not-initialised": Planted("split-reduction", "4 6 | t1[i, j] = 0.0", "", "order"),
    "start-value-changed": Planted("split-reduction", "t1[i, j] = 0.0", "t1[i, j] = 1.0", "initial"),
    "start-never-added": Planted("initialise", "exp(add(t0[i, j], c[j]))", "exp(t0[i, j])", "source"),
    "start-added-wrongly": Planted("initialise", "add(t0[i, j], c[j])", "add(t0[i, j], c[5 - j])", "body"),
    "start-multiplied": Planted("initialise", "add(t0[i, j], c[j])", "mul(t0[i, j], c[j])", "body"),
    "start-added-before-the-sum-is-complete": Planted(
        "initialise-apart",
        "4 6 8 | t1[i, j] += mul(x[i, k], w[k, j])",
        "4 6 7 | t1[i, j] += mul(x[i, k], w[k, j])",
        "source",
    ),
    "weights-not-permuted": Planted("reindexed", "w[k * 2 + j]", "w[j * 3 + k]", "source"),
    "cast-dropped": Planted("casts", "truncf(exp(extf(x[i, j])))", "exp(x[i, j])", "body"),
    "cast-twice": Planted("casts", "exp(extf(x[i, j]))", "extf(truncf(exp(extf(x[i, j]))))", "output"),
    "live-store-removed": Planted("forward", "6 4 | t1[i, j] = exp(x[j, i]) | t1#0", "", "missing"),
    "output-not-written": Planted("output", "y[j, i] = exp(x[i, j]) | t0#0", "t[i, j] = exp(x[i, j]) | t0#0", "order"),
    "output-transposed-wrongly": Planted(
        "output", "4 6 | y[j, i] = exp(x[i, j])", "6 4 | y[i, 3 - j] = exp(x[j, i])", "source"
    ),
    "origins-swapped": Planted("concat", "exp(x[i, j]) | t0#0", "exp(x[i, j]) | t1#0", "source"),
    "origin-unknown": Planted("forward", "| t1#0", "| t9#0", "origin"),
    "origin-of-another-operation": Planted("broadcast", "add(x[i, j], b[j])", "sub(x[i, j], b[j])", "body"),
    "operands-swapped": Planted("broadcast", "add(x[i, j], b[j])", "add(b[j], x[i, j])", "source"),
    "gather-picks-from-another-dimension": Planted("gather", "exp(t0[j, i])", "exp(t0[j, 5 - i])", "source"),
    "gather-by-other-indices": Planted("gather", "at(table, x[i], j)", "at(table, x[3 - i], j)", "source"),
    "scan-turned-round": Planted(
        "scan", "t1[i + 1] = add(t1[i], x[7 - i])", "t1[7 - i] = add(t1[8 - i], x[7 - i])", "order"
    ),
    "scan-reads-another-element": Planted("scan", "add(t1[i], x[7 - i])", "add(t1[i + 1], x[7 - i])", "order"),
    "scan-not-started": Planted("scan", "1 | t1[0] = 0.0", "", "order"),
    "input-as-storage": Planted("forward", "t1[i, j] = exp(x[j, i])", "x[j, i] = exp(x[j, i])", "argument"),
    "table-value-changed": Planted("table", "add(x[i], 0.0)", "add(x[i], 2.0)", "source"),
    "index-shifted": Planted("table", "index(8 - i)", "index(7 - i)", "output"),
    "certified-map-shifted": Planted("concat", "(d0, d1 + 3)", "(d0, d1 + 2)", "content"),
    "certified-map-transposed": Planted("output", "(d1, d0)", "(d1, d0 mod 2)", "content"),
    "certified-for-a-part": Planted("forward", "array<i64: 6, 4>", "array<i64: 6, 3>", "domain"),
    "certified-beyond-the-array": Planted("forward", "array<i64: 6, 4>", "array<i64: 7, 4>", "domain"),
    "certified-outside-of-the-source": Planted("pad", "(d0 + 1, d1 + 1)", "(d0 + 3, d1 + 1)", "domain"),
    "certified-by-another-array": Planted(
        "broadcast",
        'source = "b", map = affine_map<(d0, d1) -> (d1)>',
        'source = "x", map = affine_map<(d0, d1) -> (d0, d1)>',
        "content",
    ),
    "certified-by-no-array": Planted("forward", 'source = "x"', 'source = "t0"', "certificate"),
    "certified-constant-changed": Planted("split", "value = 0.0", "value = 1.0", "content"),
    "certified-cast-dropped": Planted("casts", ', casts = ["arith.extf"]', "", "content"),
    "certified-start-changed": Planted("initialise", "(d1)>", "(5 - d1)>", "content"),
}


def refusals(error: Planted) -> tuple[Refusal, ...]:
    pair = PAIRS[error.pair]
    assert (pair.after + pair.certificates).count(error.right) == 1, "the change does not apply"
    after = pair.after.replace(error.right, error.wrong)
    if error.wrong.startswith("t["):
        after = after.replace("x: 4x6 input", "x: 4x6 input\n t: 4x6")
    certificates = pair.certificates.replace(error.right, error.wrong)
    old, new = (ir.Operation.parse(text).operation for text in (program(pair.before), program(after, certificates)))
    verdict = check(old, new)
    assert not verdict.holds
    return verdict.refusals


@pytest.mark.parametrize("name", ERRORS)
def test_planted_error_is_refused(name: str):
    first, *_ = refusals(ERRORS[name])
    assert first.law == ERRORS[name].law, str(first)
    assert first.op is not None


def test_refusals_say_what_and_where():
    first, *_ = refusals(ERRORS["wrong-offset"])
    assert (first.kind, first.arrays, first.point) == ("nest", ("y",), (0,))
    assert str(first) == (
        "nest of y: reads another value at iteration (0): x[12] instead of x[13] "
        "(broken: every operand has the same ultimate source as in the original)"
    )
    assert first.op.name == "affine.for"


def test_every_law_is_broken_by_some_error():
    assert {error.law for error in ERRORS.values()} | {"not proved"} == set(LAWS)
