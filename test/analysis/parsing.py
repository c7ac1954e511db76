"""Nests from text."""

from torch_mlir import ir

from polystage import dialects
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Nest, main_function, top_nests

_MODULES: list[ir.Module] = []  # a module dies with the last reference to it, and its nests with it


def nests_of(text: str) -> list[Nest]:
    """The nests of ``@main``."""
    with ir.Context() as context, ir.Location.unknown():
        dialects.register(context)
        module = ir.Module.parse(text)
        _MODULES.append(module)
        function = main_function(module.operation)
        return [read_nest(loop) for loop in top_nests(function)]


def nest_of(body: str, extents: str, arguments: str, before: str = "") -> Nest:
    """One nest: ``body`` inside loops ``%d0``, ``%d1``, ... of ``extents`` ("4 x 5")."""
    loops = [f"affine.for %d{k} = 0 to {extent} {{" for k, extent in enumerate(extents.split(" x "))]
    text = "\n".join([f"func.func @main({arguments}) {{", before, *loops, body, "}" * len(loops), "return }"])
    (nest,) = nests_of(text)
    return nest
