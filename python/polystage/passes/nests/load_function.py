"""`@load`, the function that runs once, at load time: finding it, making it, changing what functions take."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch_mlir import ir

LOAD = "load"
STATIC = frozenset({"parameter", "buffer", "constant"})
"""Kinds of arguments that are the same at every inference."""


@dataclass(frozen=True)
class Argument:
    """An argument of a function being written; ``entry`` has its name and kind, ``replaces`` hands it its uses."""

    type: ir.Type
    entry: ir.DictAttr
    replaces: ir.Value | None = None


def described(name: str, kind: str) -> ir.DictAttr:
    """The attributes of an argument."""
    return ir.DictAttr.get({"polystage.name": ir.StringAttr.get(name), "polystage.kind": ir.StringAttr.get(kind)})


def text_of(entry: ir.DictAttr, key: str) -> str:
    """Name or kind, from the attributes of an argument."""
    return ir.StringAttr(entry[f"polystage.{key}"]).value


def load_function(module: ir.Operation) -> ir.Operation | None:
    """The function `@load`, where the module has one."""
    for each in module.regions[0].blocks[0].operations:
        op = each.operation
        if op.name == "func.func" and ir.StringAttr(op.attributes["sym_name"]).value == LOAD:
            return op
    return None


def load_or_new(module: ir.Operation) -> ir.Operation:
    """The function `@load`; an empty one where the module has none."""
    load = load_function(module)
    if load is not None:
        return load
    with ir.InsertionPoint(module.regions[0].blocks[0]):
        load = new_function(LOAD, [])
    with ir.InsertionPoint(load.regions[0].blocks[0]):
        ir.Operation.create("func.return")
    return load


def with_results(
    load: ir.Operation, sources: Mapping[ir.Value, ir.DictAttr], results: Sequence[Argument]
) -> tuple[ir.Operation, Mapping[str, ir.Value]]:
    """`@load` with more results, which it makes of ``sources`` (arguments of `@main`); and its arguments by name."""
    present = entries_of(load)
    known = {text_of(entry, "name") for entry in present.values()}
    arguments = [Argument(array.type, entry, array) for array, entry in present.items()]
    added = [Argument(array.type, entry) for array, entry in sources.items() if text_of(entry, "name") not in known]
    function = with_arguments(load, inputs_then_outputs([*arguments, *added, *results]))
    return function, {text_of(entry, "name"): array for array, entry in entries_of(function).items()}


def entries_of(function: ir.Operation) -> dict[ir.Value, ir.DictAttr]:
    """The attributes of each argument of a function, in order."""
    entries = [ir.DictAttr(each) for each in ir.ArrayAttr(function.attributes["arg_attrs"])]
    return dict(zip(function.regions[0].blocks[0].arguments, entries, strict=True))


def new_function(name: str, arguments: Sequence[Argument]) -> ir.Operation:
    """A function without a body at the insertion point."""
    types = [argument.type for argument in arguments]
    function = ir.Operation.create(
        "func.func",
        regions=1,
        attributes={
            "sym_name": ir.StringAttr.get(name),
            "function_type": ir.TypeAttr.get(ir.FunctionType.get(types, [])),
            "arg_attrs": ir.ArrayAttr.get([argument.entry for argument in arguments]),
        },
    )
    function.regions[0].blocks.append(*types)
    return function


def with_arguments(function: ir.Operation, arguments: Sequence[Argument]) -> ir.Operation:
    """The function with other arguments in its place, its body moved; those it loses must have no use left."""
    with ir.InsertionPoint(function), function.location:
        new = new_function(ir.StringAttr(function.attributes["sym_name"]).value, arguments)
    for name, attribute in function.attributes.items():
        if name not in new.attributes:  # what passes have noted on it
            new.attributes[name] = attribute
    block = new.regions[0].blocks[0]
    for argument, value in zip(arguments, block.arguments, strict=True):
        if argument.replaces is not None:
            argument.replaces.replace_all_uses_with(value)
    point = ir.InsertionPoint(block)
    for each in list(function.regions[0].blocks[0].operations):
        point.insert(each.operation.detach_from_parent())
    function.erase()
    return new


def inner_operations(nest: ir.Operation) -> Iterator[ir.Operation]:
    """All operations inside of a nest, in order."""
    for region in nest.regions:
        for op in region.blocks[0].operations:
            yield op.operation
            yield from inner_operations(op.operation)


def erase_unused(block: ir.Block) -> None:
    """Erase allocs, globals and constants without a use."""
    for each in list(block.operations):
        op = each.operation
        if op.name in ("memref.alloc", "memref.get_global", "arith.constant") and not any(op.results[0].uses):
            op.erase()


def inputs_then_outputs(arguments: Iterable[Argument]) -> list[Argument]:
    """In the order of the normal form: outputs last."""
    return sorted(arguments, key=lambda argument: text_of(argument.entry, "kind") == "output")
