"""A machine as the module attribute ``polystage.target``, so that a program in text form is complete."""

from functools import lru_cache

from torch_mlir import ir

from polystage.errors import UserError
from polystage.machine.loader import from_table
from polystage.machine.model import Machine
from polystage.machine.schema import is_list, is_table, plain

ATTRIBUTE = "polystage.target"


def to_attribute(machine: Machine) -> ir.DictAttr:
    """``machine`` as a dictionary attribute of the current context: i64, f64, strings, arrays and dictionaries."""
    attribute = _attribute(plain(machine))
    assert isinstance(attribute, ir.DictAttr)
    return attribute


@lru_cache(maxsize=1)
def from_attribute(attribute: ir.Attribute) -> Machine:
    """The machine that ``to_attribute`` wrote; raises UserError when a hand-edited one is wrong."""
    if not isinstance(attribute, ir.DictAttr):
        raise UserError(f"expected a dictionary, got {attribute}", location=ATTRIBUTE)
    return from_table(_table(attribute), ATTRIBUTE)


def of_module(module: ir.Operation | ir.OpView | ir.Module) -> Machine:
    """The machine that ``module`` is compiled for; raises UserError when it does not say."""
    attributes = module.operation.attributes
    if ATTRIBUTE not in attributes:
        raise UserError("module has no polystage.target; run set-target{name=...} first")
    return from_attribute(attributes[ATTRIBUTE])


def _attribute(value: object) -> ir.Attribute:
    if isinstance(value, str):
        return ir.StringAttr.get(value)
    if isinstance(value, int):
        return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)
    if isinstance(value, float):
        return ir.FloatAttr.get_f64(value)
    if is_list(value):
        return ir.ArrayAttr.get([_attribute(each) for each in value])
    assert is_table(value)
    return ir.DictAttr.get({str(key): _attribute(each) for key, each in value.items()})


def _table(attribute: ir.DictAttr) -> dict[str, object]:
    return {entry.name: _python(entry.attr) for entry in attribute}


def _python(attribute: ir.Attribute) -> object:
    if isinstance(attribute, ir.StringAttr | ir.IntegerAttr | ir.FloatAttr):
        return attribute.value
    if isinstance(attribute, ir.ArrayAttr):
        return [_python(each) for each in attribute]
    if isinstance(attribute, ir.DictAttr):
        return _table(attribute)
    raise UserError(f"no target has an attribute like {attribute}", location=ATTRIBUTE)
