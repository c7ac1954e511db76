"""Certificates: what the eliminated arrays are now, as an attribute that a checker reads.

``polystage.certificates`` is an array of dictionaries. ``array``, an array of the program before, is eliminated; on
``domain`` (elements of it) its value is that of element ``map`` of ``source``, an array of the program after, or the
constant ``value``; ``casts`` are applied to it. ``kind`` says by which move, ``origin`` which copy it was. For
``initialise`` the array is still there: its sum starts from zero now, not from ``source[map]``, which is added later.
"""

from collections.abc import Iterator

from torch_mlir import ir

from polystage.passes.copies.content import copied, piece_of
from polystage.passes.copies.program import Nest, Program
from polystage.passes.copies.region import Region
from polystage.passes.nests import quasi as q
from polystage.passes.nests.body import Load

CERTIFICATES = "polystage.certificates"


def certify(module: ir.Operation, program: Program) -> int:
    """Write the certificates of all witnesses, after those that are there; how many."""
    old = list(ir.ArrayAttr(module.attributes[CERTIFICATES])) if CERTIFICATES in module.attributes else []
    new = list(_certificates(program))
    if old or new:
        module.attributes[CERTIFICATES] = ir.ArrayAttr.get([*old, *new])
    return len(new)


def _certificates(program: Program) -> Iterator[ir.Attribute]:
    written = {array for array, nests in program.writers.items() if nests}
    for nest in sorted((n for n in program.nests if n.witness), key=lambda n: (n.order, n.origin)):
        move = copied(nest.body)
        if move is None:
            continue
        source = move.source.array if isinstance(move.source, Load) else None
        if source is None or source in written or program.arrays[source].kind != "alloc":
            yield _certificate(program, nest)


def _certificate(program: Program, nest: Nest) -> ir.Attribute:
    piece = piece_of(nest)
    assert piece is not None
    entries: dict[str, ir.Attribute] = {
        "kind": ir.StringAttr.get(nest.witness),
        "array": ir.StringAttr.get(program.arrays[nest.target].name),
        "origin": ir.StringAttr.get(nest.origin),
        "domain": domain_of(piece.region),
    }
    if isinstance(piece.source, ir.Value):
        rank = len(piece.region)
        places = [ir.AffineExpr.get_dim(k) - r.low for k, r in enumerate(piece.region)]
        places = [ir.AffineExpr.get_floor_div(p, r.step) for p, r in zip(places, piece.region, strict=True)]
        inner = ir.AffineMap.get(rank, 0, places)
        exprs = [q.to_affine(i, range(rank)).compose(inner) for i in piece.indices]
        entries["source"] = ir.StringAttr.get(program.arrays[piece.source].name)
        entries["map"] = ir.AffineMapAttr.get(ir.AffineMap.get(rank, 0, exprs))
    elif piece.source is not None:
        node = piece.source
        value = node.value
        entries["value"] = value if isinstance(value, ir.Attribute) else ir.IntegerAttr.get(node.type, value.const)
    if piece.casts:
        entries["casts"] = ir.ArrayAttr.get([ir.StringAttr.get(name) for name, _, _ in piece.casts])
    return ir.DictAttr.get(entries)


def domain_of(region: Region) -> ir.Attribute:
    """The region as an integer set."""
    dims = ", ".join(f"d{k}" for k in range(len(region)))
    bounds: list[str] = []
    for k, r in enumerate(region):
        bounds += [f"d{k} - {r.low} >= 0", f"-d{k} + {r.high} >= 0"]
        if r.step > 1:
            bounds.append(f"(d{k} - {r.low}) mod {r.step} == 0")
    return ir.Attribute.parse(f"affine_set<({dims}) : ({', '.join(bounds) or '0 == 0'})>")
