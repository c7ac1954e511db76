"""Every pass says what it is: help and documentation are generated from its docstring and its options."""

import ast
import inspect

import pytest

from polystage.pipeline import Registry
from polystage.pipeline.manual import manual_of, show_pass

PASSES = Registry("polystage.passes")


@pytest.mark.parametrize("name", PASSES)
def test_manual_is_complete(name: str):
    manual = manual_of(PASSES[name])
    assert manual.name == name
    assert manual.summary.endswith(".")
    assert manual.body
    assert all(option.help for option in manual.options)
    assert show_pass(PASSES[name]).startswith(f"{name} (on ")


@pytest.mark.parametrize("name", PASSES)
def test_statistics_are_documented(name: str):
    module = inspect.getmodule(PASSES[name])
    assert module
    counted = {
        node.args[0].value
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "statistic"
        if isinstance(node.args[0], ast.Constant)
    }
    assert counted <= set(manual_of(PASSES[name]).statistics)
