"""A machine in a module attribute is the same machine."""

import pytest
from torch_mlir import ir

from polystage import machine
from polystage.errors import UserError


@pytest.mark.parametrize("name", machine.names())
def test_round_trip_through_text(name: str) -> None:
    target = machine.load(name)
    with ir.Context():
        text = str(machine.to_attribute(target))
        assert machine.from_attribute(ir.Attribute.parse(text)) == target


def test_of_module() -> None:
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse("module {}")
        with pytest.raises(UserError) as caught:
            machine.of_module(module)
        assert str(caught.value) == "error: module has no polystage.target; run set-target{name=...} first"
        module.operation.attributes["polystage.target"] = machine.to_attribute(machine.load("tiny"))
        assert machine.of_module(module) == machine.load("tiny")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "lanes = 8 : i64, mul",
            "lanes = 4 : i64, mul",
            "start_lanes: the last rule has to be for all 8 lanes, it is for 4",
        ),
        ("alignment = 4 : i64", "align = 4 : i64", "align: unknown key"),
        ("alignment = 4 : i64", "alignment = unit", "no target has an attribute like unit"),
    ],
)
def test_edited_by_hand(old: str, new: str, message: str) -> None:
    with ir.Context():
        text = str(machine.to_attribute(machine.load("tiny")))
        assert old in text
        with pytest.raises(UserError) as caught:
            machine.from_attribute(ir.Attribute.parse(text.replace(old, new)))
    assert caught.value.location == "polystage.target"
    assert message in caught.value.message


def test_no_dictionary() -> None:
    with ir.Context(), pytest.raises(UserError, match="expected a dictionary, got 3"):
        machine.from_attribute(ir.Attribute.parse("3 : i64"))
