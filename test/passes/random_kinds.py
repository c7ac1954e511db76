"""What a random program is made of: elementwise nests, reductions, contractions, recurrences, gathers, scatters."""

from collections.abc import Sequence
from math import prod

import numpy as np
from hypothesis import strategies as st
from random_nest import Idx, Nest, Value
from random_program import EXACT, POINTS, Builder, Program, Tensor

COMBINES = {
    "f32": ("addf", "addf", "maximumf", "minimumf", "mulf", "maxnumf"),
    "f16": ("addf", "minimumf"),
    "bf16": ("addf", "maximumf"),
    "i32": ("addi", "muli", "maxsi", "minsi", "andi", "ori", "xori"),
    "i8": ("addi", "maxsi", "minsi", "xori"),
    "i1": ("andi", "ori", "xori"),
}


def fill(builder: Builder, tensor: Tensor, value: float) -> None:
    """Set every element."""
    nest = Nest(builder, tensor.shape)
    nest.store(Value(builder.constant(tensor.element, value), tensor.element, abs(value)), tensor, nest.loops)


def elementwise(builder: Builder) -> None:
    """``t[f(i)] = expression``; where f leaves gaps, over a filled array; sometimes ``t[f(i)] += expression``."""
    element = builder.pick("f32", "f32", "f32", "f16", "bf16", "i32", "i8", "i1")
    nest = Nest(builder, builder.extents(1, 4))
    indices = nest.target(nest.all)
    tensor = builder.result([index.high + 1 for index in indices], element)
    in_place = builder.chance(5)
    if in_place or prod(tensor.shape) != prod(nest.extents):
        fill(builder, tensor, 1)
    old = nest.load(tensor, indices) if in_place else None
    value = nest.expression(element, builder.pick(0, 1, 2, 3, 4), EXACT[element] / 2, nest.all, builder.chance(3))
    if old is not None:
        name = {"i1": "xori", "i32": "addi", "i8": "addi"}.get(element, "addf")
        value = nest.op(f"arith.{name} {old.name}, {value.name} : {element}", element, value.bound + 1, value.exact)
    nest.store(value, tensor, indices)
    builder.add(tensor)


def reduction(builder: Builder) -> None:
    """``t[f(i)] = combine(t[f(i)], expression)`` over the loops that f leaves out."""
    element = builder.pick("f32", "f32", "f32", "f16", "bf16", "i32", "i8", "i1")
    nest = Nest(builder, builder.extents(1, 4))
    kept: list[int] = builder.draw(st.lists(st.sampled_from(nest.all), unique=True, max_size=len(nest.all) - 1))
    indices = nest.target(sorted(kept))
    combine = builder.pick(*COMBINES[element])
    if combine == "addf" and prod(nest.extents) > EXACT[element] / 2:
        combine = "maximumf"
    tensor = builder.result([index.high + 1 for index in indices], element)
    fill(builder, tensor, 1 if combine in ("mulf", "muli", "andi") else 0)
    count = prod(nest.extents) // prod(nest.extents[d] for d in kept)
    limit = EXACT[element] / (2 * count) if combine == "addf" else EXACT[element]
    if combine == "mulf":
        limit = 1
    old = nest.load(tensor, indices)
    value = nest.expression(element, builder.pick(0, 0, 1, 2), max(1, limit), nest.all)
    sides = (old.name, value.name) if builder.chance(2) else (value.name, old.name)
    bound = (
        EXACT[element] + 1
        if element in ("i32", "i8")
        else max(1, value.bound * (count if combine == "addf" else 1) + 1)
    )
    total = nest.op(f"arith.{combine} {', '.join(sides)} : {element}", element, bound)
    nest.store(total, tensor, indices)
    builder.add(tensor)


def fold(builder: Builder) -> None:
    """A fold whose result depends on the order of its steps."""
    nest = Nest(builder, builder.extents(1, 3, 600))
    kept: list[int] = builder.draw(st.lists(st.sampled_from(nest.all), unique=True, max_size=len(nest.all) - 1))
    indices = nest.target(sorted(kept))
    tensor = builder.result([index.high + 1 for index in indices], "i32")
    fill(builder, tensor, 1)
    old = nest.load(tensor, indices)
    value = nest.expression("i32", builder.pick(0, 1, 2), EXACT["i32"], nest.all)
    match builder.pick("horner", "last", "select"):
        case "horner":
            scaled = nest.op(f"arith.muli {old.name}, {builder.constant('i32', 3)} : i32", "i32", EXACT["i32"])
            value = nest.op(f"arith.addi {scaled.name}, {value.name} : i32", "i32", EXACT["i32"])
        case "select":
            other = nest.expression("i32", 1, EXACT["i32"], nest.all)
            test = nest.op(f"arith.cmpi sgt, {value.name}, {other.name} : i32", "i1", 1)
            mixed = nest.op(f"arith.subi {value.name}, {old.name} : i32", "i32", EXACT["i32"])
            value = nest.op(f"arith.select {test.name}, {mixed.name}, {old.name} : i32", "i32", EXACT["i32"])
        case _:
            pass
    nest.store(value, tensor, indices)
    builder.add(tensor)


def contraction(builder: Builder) -> None:
    """``t[batch, m, n] += x[batch, m, k] * w[batch, k, n]`` in any order of dimensions, windows included."""
    roles = builder.pick(
        "mnk", "mnk", "bmnk", "mk", "nk", "mn", "mmnk", "mnkk", "mnwk", "mnwwk", "nwwgk", "cw", "cwn", "k"
    )
    sizes = builder.extents(len(roles), len(roles))
    order: list[int] = builder.draw(st.permutations(list(range(len(roles)))))
    roles = "".join(roles[k] for k in order)
    nest = Nest(builder, [min(size, 3) if role == "w" else size for role, size in zip(roles, sizes, strict=True)])
    windows = {"w": [d for d, role in enumerate(roles) if role == "w"]}
    left, right, result = list[Idx](), list[Idx](), list[Idx]()
    spatial = list(windows["w"])
    for d, role in enumerate(roles):
        index = nest.loops[d]
        if role in "bcgm":
            left.append(index)
        if role in "bcgk" or role == "w":
            right.append(index)
        if role == "k":
            left.append(index)
        if role == "n":
            if spatial and builder.chance(2):
                tap = nest.loops[spatial.pop()]
                left.append(index * builder.pick(1, 2) + tap * builder.pick(1, 2))
            else:
                right.append(index)
        if role in "bcgmn":
            result.append(index)
    left += [nest.loops[d] for d in spatial]
    _product(
        builder,
        nest,
        left,
        right,
        result,
        sum_of=prod(n for n, r in zip(nest.extents, roles, strict=True) if r in "kw"),
    )


def _product(
    builder: Builder, nest: Nest, left: Sequence[Idx], right: Sequence[Idx], result: Sequence[Idx], sum_of: int
) -> None:
    left, right, result = (builder.draw(st.permutations(list(each))) for each in (left, right, result))
    kind = builder.pick("f32", "f32", "bf16", "bf16 sum", "mixed")
    element = "bf16" if kind == "bf16 sum" and sum_of * 2 <= 256 else "f32"
    tensor = builder.result([index.high + 1 for index in result], element)
    fill(builder, tensor, builder.pick(0, 0, 1))
    values: list[Value] = []
    for position, indices in enumerate((left, right)):
        source = "bf16" if kind.startswith("bf16") or (kind == "mixed" and position == 0) else "f32"
        data = builder.input([index.high + 1 for index in indices], source, 1 if element == "bf16" else 4)
        value = nest.load(data, indices)
        if source != element:
            value = nest.op(f"arith.extf {value.name} : bf16 to f32", "f32", value.bound)
        values.append(value)
    if builder.chance(2):
        values.reverse()
    product = nest.op(
        f"arith.mulf {values[0].name}, {values[1].name} : {element}", element, values[0].bound * values[1].bound
    )
    old = nest.load(tensor, result)
    sides = [old.name, product.name] if builder.chance(2) else [product.name, old.name]
    total = nest.op(f"arith.addf {', '.join(sides)} : {element}", element, product.bound * sum_of + 1)
    nest.store(total, tensor, result)
    builder.add(tensor)


def recurrence(builder: Builder) -> None:
    """``t[.., i + d] = t[.., i] op expression``: a scan along one loop."""
    extents = builder.extents(1, 3, 400)
    tensor_shape = list(extents)
    nest = Nest(builder, extents)
    along = builder.pick(*nest.all)
    distance = builder.pick(1, 1, 2)
    tensor_shape[along] += distance
    tensor = builder.result(tensor_shape, "i32")
    fill(builder, tensor, 1)
    backward = builder.chance(3)
    source, target = list(nest.loops), list(nest.loops)
    if backward:
        flipped = Idx(f"-{nest.loops[along].text} + {extents[along] - 1}", nest.loops[along].values)
        source[along], target[along] = flipped + distance, flipped
    else:
        target[along] = target[along] + distance
    old = nest.load(tensor, source)
    value = nest.expression("i32", builder.pick(0, 1), EXACT["i32"], nest.all)
    if builder.chance(2):
        old = nest.op(f"arith.muli {old.name}, {builder.constant('i32', 3)} : i32", "i32", EXACT["i32"])
    nest.store(nest.op(f"arith.addi {old.name}, {value.name} : i32", "i32", EXACT["i32"]), tensor, target)
    builder.add(tensor)


def recurrence_anywhere(builder: Builder) -> None:
    """``t[f(i)] = t[g(i)] op expression`` with any f and g: elements may be stored more than once and read before."""
    nest = Nest(builder, builder.extents(1, 3, 100))
    target = [nest.index(nest.all) for _ in range(builder.pick(1, 2, 2))]
    if builder.chance(2):
        target = nest.target(nest.all)
    tensor = builder.result([index.high + 1 for index in target], "i32")
    if prod(tensor.shape) > POINTS:
        return
    source = target if builder.chance(2) else nest.inside(tensor.shape, nest.all)
    if any("mod" in index.text or "div" in index.text for index in (*source, *target)):
        return  # refused where loops depend on their order
    fill(builder, tensor, 1)
    old = nest.load(tensor, source)
    value = nest.expression("i32", builder.pick(0, 1), EXACT["i32"], nest.all)
    if builder.chance(2):
        old = nest.op(f"arith.muli {old.name}, {builder.constant('i32', 3)} : i32", "i32", EXACT["i32"])
    if builder.chance(4):
        old = value
    nest.store(nest.op(f"arith.addi {old.name}, {value.name} : i32", "i32", EXACT["i32"]), tensor, target)
    builder.add(tensor)


def beside(builder: Builder) -> None:
    """A nest that reads one part of an array and stores to another, as concatenations leave them."""
    nest = Nest(builder, builder.extents(1, 3, 400))
    order: list[int] = builder.draw(st.permutations(nest.all))
    source = [nest.loops[d] for d in order]
    if builder.chance(3):
        source = [Idx(f"{source[0].text} floordiv 2", source[0].values // 2), source[0], *source[1:]]
    along = builder.pick(*range(len(source)))
    target = list(source)
    target[along] = source[along] + (source[along].high + 1)
    if builder.chance(2):
        source, target = target, source
    shape = [max(a.high, b.high) + 1 for a, b in zip(source, target, strict=True)]
    tensor = builder.result(shape, "f32")
    fill(builder, tensor, 1)
    old = nest.load(tensor, source)
    value = nest.expression("f32", builder.pick(0, 1, 2), 100, nest.all)
    total = nest.op(f"arith.addf {old.name}, {value.name} : f32", "f32", value.bound + 1)
    nest.store(total, tensor, target)
    builder.add(tensor)


def _index_value(builder: Builder, nest: Nest, limit: int, loops: Sequence[int]) -> Value:
    """A data-dependent index below ``limit``, made of i32 data, negative numbers counted from the end."""
    chosen: list[int] = builder.draw(st.lists(st.sampled_from(list(loops)), unique=True, max_size=2)) if loops else []
    indices = [nest.loops[d] for d in chosen]
    negative = builder.chance(2)
    rng = np.random.default_rng(limit)
    data = rng.integers(-limit if negative else 0, limit, [index.high + 1 for index in indices])
    value = nest.load(builder.argument(np.asarray(data, np.int32), "i32", limit), indices)
    if negative:
        zero, size = builder.constant("i32", 0), builder.constant("i32", limit)
        below = nest.op(f"arith.cmpi slt, {value.name}, {zero} : i32", "i1", 1)
        wrapped = nest.op(f"arith.addi {value.name}, {size} : i32", "i32", limit)
        value = nest.op(f"arith.select {below.name}, {wrapped.name}, {value.name} : i32", "i32", limit)
    return nest.op(f"arith.index_cast {value.name} : i32 to index", "index", limit)


def gather(builder: Builder) -> None:
    """``t[i] = f(table[index[i], i, ...])`` with one or two indices read from memory."""
    element = builder.pick("f32", "f32", "bf16", "i32", "i1")
    nest = Nest(builder, builder.extents(1, 3, 800))
    nest.indirect = True
    tensor = builder.result(list(nest.extents), element)
    rank = builder.pick(1, 2, 2, 3)
    indirect: list[int] = builder.draw(
        st.lists(st.sampled_from(list(range(rank))), unique=True, min_size=1, max_size=2)
    )
    shape, subscripts = list[int](), list[str]()
    for position in range(rank):
        if position in indirect:
            shape.append(builder.pick(3, 5, 9))
            subscripts.append(_index_value(builder, nest, shape[-1], nest.all).name)
        elif builder.chance(4):
            shape.append(2)
            subscripts.append(nest.op("affine.apply affine_map<() -> (1)>()", "index", 1).name)
        else:
            loop = nest.loops[builder.pick(*nest.all)]
            shape.append(loop.high + 1)
            subscripts.append(loop.text)
    table = builder.input(shape, element, 8)
    value = nest.op(f"memref.load %{table.name}[{', '.join(subscripts)}] : {table.type}", element, 8)
    nest.loaded.append(value)
    if builder.chance(2) and element != "i1":
        other = nest.expression(element, 1, 16, nest.all)
        name = "addi" if element == "i32" else "addf"
        value = nest.op(f"arith.{name} {value.name}, {other.name} : {element}", element, 24)
    nest.store(value, tensor, nest.loops)
    builder.add(tensor)


def scatter(builder: Builder) -> None:
    """``t[index[i], j] = expression`` with an index array that names no element twice."""
    element = builder.pick("f32", "f32", "bf16", "i32")
    nest = Nest(builder, builder.extents(1, 3, 800))
    nest.indirect = True
    along = builder.pick(*nest.all)
    room = nest.extents[along] + builder.pick(0, 3)
    shape = [room if d == along else extent for d, extent in enumerate(nest.extents)]
    tensor = builder.result(shape, element)
    fill(builder, tensor, 1)
    order = np.random.default_rng(room).permutation(room)[: nest.extents[along]]
    if element == "i32" and builder.chance(3):
        order = np.random.default_rng(room).integers(0, room, nest.extents[along])
    index = nest.load(builder.argument(order.astype(np.int32), "i32", room), [nest.loops[along]])
    subscripts = [loop.text for loop in nest.loops]
    subscripts[along] = nest.op(f"arith.index_cast {index.name} : i32 to index", "index", room).name
    value = nest.expression(element, builder.pick(0, 1, 2), EXACT[element], nest.all)
    if element == "i32" and builder.chance(2):
        old = nest.op(f"memref.load %{tensor.name}[{', '.join(subscripts)}] : {tensor.type}", "i32", EXACT["i32"])
        value = nest.op(f"arith.addi {old.name}, {value.name} : i32", "i32", EXACT["i32"])
    nest.lines.append(f"memref.store {value.name}, %{tensor.name}[{', '.join(subscripts)}] : {tensor.type}")
    tensor.bound = max(1, value.bound)
    nest.finish()
    builder.add(tensor)


ORDERED = (fold, recurrence, recurrence_anywhere, beside)
KINDS = (*[elementwise] * 4, *[reduction] * 3, *[contraction] * 4, *ORDERED, gather, scatter)


@st.composite
def programs(draw: st.DrawFn, nests: int = 3) -> Program:
    """Programs of one to ``nests`` such nests, each of which may read what earlier ones computed."""
    builder = Builder(draw)
    for _ in range(draw(st.integers(1, nests))):
        builder.pick(*KINDS)(builder)
    return builder.program()
