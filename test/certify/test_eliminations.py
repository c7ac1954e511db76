"""The checker accepts right eliminations and rejects wrong ones, by the law that they break."""

import pytest
from pairs import PAIRS
from programs import program
from torch_mlir import ir

from polystage.certify.eliminations import Verdict, check


def verdict(before: str, after: str, certificates: str = "") -> Verdict:
    old, new = (ir.Operation.parse(text).operation for text in (program(before), program(after, certificates)))
    return check(old, new)


@pytest.mark.parametrize("name", PAIRS)
def test_right_eliminations_are_proved(name: str):
    pair = PAIRS[name]
    result = verdict(pair.before, pair.after, pair.certificates)
    assert [str(refusal) for refusal in result.refusals] == []
    assert len(result.proved) == pair.certificates.count("kind =")


@pytest.mark.parametrize("name", PAIRS)
def test_a_program_is_itself(name: str):
    before = PAIRS[name].before
    assert verdict(before, before).holds
