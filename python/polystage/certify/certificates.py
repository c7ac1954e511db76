"""Certificates of eliminations: what they claim, and its proof.

``polystage.certificates`` on a module lists, for each eliminated array or a part of one, its ``kind``, the ``array``,
its ``source``, and the ``map`` from the elements of the array in ``domain`` (an integer set, or the extents of a box)
to the elements of the source that hold the same values.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch_mlir import ir

from polystage import poly
from polystage.poly.relation import Relation, Relations, sample, where

from .embedding import Breach
from .program import Chain, Program
from .sources import Contents, Sources, difference, only, total
from .trace import leaves

ATTRIBUTE = "polystage.certificates"


@dataclass(frozen=True)
class Certificate:
    """The elements of ``array`` in ``domain`` are found in ``source`` at ``map``; ``kind`` says how that came about."""

    kind: str
    array: str
    source: str
    map: ir.AffineMap
    domain: ir.Attribute

    def __str__(self) -> str:
        return f"{self.kind}: {self.array} is {self.source} by {self.map} on {self.domain}"


def read_certificates(module: ir.Operation) -> tuple[Certificate, ...]:
    """The certificates of a module."""
    if ATTRIBUTE not in module.attributes:
        return ()
    entries = [ir.DictAttr(each) for each in ir.ArrayAttr(module.attributes[ATTRIBUTE])]
    return tuple(
        Certificate(
            ir.StringAttr(entry["kind"]).value,
            ir.StringAttr(entry["array"]).value,
            ir.StringAttr(entry["source"]).value,
            ir.AffineMapAttr(entry["map"]).value,
            entry["domain"],
        )
        for entry in entries
    )


@dataclass(frozen=True, eq=False)
class Claims:
    """The certificates of a transformation, with the contents of both programs at their ends."""

    algebra: Relations
    before: Program
    after: Program
    held: Contents
    holds: Contents
    certificates: Sequence[Certificate]

    @cached_property
    def by_array(self) -> Mapping[str, Sequence[Certificate]]:
        """The certificates of each array."""
        found: dict[str, list[Certificate]] = {}
        for each in self.certificates:
            found.setdefault(each.array, []).append(each)
        return found

    @cached_property
    def loads(self) -> Mapping[str, Sequence[poly.Access]]:
        """The accesses of the earlier program that read each array."""
        found: dict[str, list[poly.Access]] = {}
        for nest in self.before.nests:
            for leaf in leaves(nest):
                if leaf.access is not None and leaf.base == ("load",):
                    found.setdefault(leaf.access.array, []).append(leaf.access)
        return found

    @cached_property
    def _relations(self) -> dict[Certificate, Relation | Breach]:
        return {}

    def relation(self, certificate: Certificate) -> Relation | Breach:
        """From the elements of the array to those of the source."""
        if certificate not in self._relations:
            self._relations[certificate] = self._relation(certificate)
        return self._relations[certificate]

    def _relation(self, certificate: Certificate) -> Relation | Breach:
        array = self.before.arrays.get(certificate.array)
        source = self.after.arrays.get(certificate.source, self.before.arrays.get(certificate.source))
        if array is None or source is None:
            return Breach("certificate", f"no array '{certificate.array if array is None else certificate.source}'")
        domain = domain_of(certificate.domain, array.shape)
        if domain is None or certificate.map.n_dims != len(array.shape):
            return Breach("certificate", f"map or domain do not fit '{array.name}' of {len(array.shape)} dimensions")
        if len(certificate.map.results) != len(source.shape):
            return Breach("certificate", f"map does not fit '{source.name}' of {len(source.shape)} dimensions")
        if not self.algebra.covers(self.algebra.box(array.shape), self.algebra.identity(domain)):
            return Breach("domain", f"domain leaves '{array.name}'")
        elements = self.algebra.graph(poly.from_affine_map(certificate.map, source.name, domain))
        if not self.algebra.covers(self.algebra.box(source.shape), self.algebra.inverse(elements)):
            return Breach("domain", f"map leaves '{source.name}'")
        return elements

    def moved(self, before: str, after: str) -> Relation | None:
        """From the elements of an array of the earlier program to where they are said to be in one of the later one."""
        if before == after:
            shape = self.before.arrays[before].shape
            return self.algebra.box(shape) if shape == self.after.arrays[after].shape else None
        found: Relation | None = None
        for certificate in self.by_array.get(before, ()):
            elements = self.relation(certificate) if certificate.source == after else None
            if isinstance(elements, Relation):
                found = elements if found is None else self.algebra.union(found, elements)
        return found

    def prove(self, certificate: Certificate) -> Breach | None:
        """The law that a certificate breaks, if it breaks one."""
        elements = self.relation(certificate)
        if isinstance(elements, Breach):
            return elements
        source = self.holds if certificate.source in self.after.arrays else self.held
        expected = only(self.algebra, self.held.whole(certificate.array), elements)
        wrong = None
        for chain in self.casts(certificate, source, expected):
            wrong = difference(self.algebra, expected, source.through(elements, certificate.source, chain))
            if wrong is None:
                return self.covered(certificate)
        return Breach("content", f"'{certificate.source}' holds another value", wrong)

    def casts(self, certificate: Certificate, source: Contents, expected: Sources) -> Iterator[Chain]:
        """The casts that take an element of the source to one of the array: none, or those that its contents show."""
        yield ()
        ends = source.arrays[certificate.source].type, self.before.arrays[certificate.array].type
        tails = dict.fromkeys(chain[i:] for chain, _ in expected for i in range(len(chain)))
        yield from (tail for tail in tails if (tail[0][1], tail[-1][2]) == ends)

    def covered(self, certificate: Certificate) -> Breach | None:
        """Whether the certificates of an array that is gone hold for all that is read of it, constants apart."""
        array = certificate.array
        if array in self.after.arrays or certificate is not self.by_array[array][0]:
            return None
        claimed = [x for each in self.by_array[array] if isinstance(x := self.relation(each), Relation)]
        covered = total(self.algebra, claimed)
        held = {label: x for label, x in self.held.whole(array).items() if label[1][0] != "constant"}
        for access in self.loads.get(array, ()):
            read = self.algebra.inverse(self.algebra.graph(access))
            for relation in held.values():
                needed = self.algebra.unit(self.algebra.inside(relation, read))
                missing = self.algebra.outside(needed, covered) if covered else needed
                if not missing.empty:
                    point, _ = sample(missing)
                    text = f"element [{', '.join(map(str, point))}] of '{array}' is read and has no certificate"
                    return Breach("domain", text)
        return None

    def site(self, certificate: Certificate) -> ir.Operation | None:
        """The first nest that writes the source."""
        return next((nest.op for nest in self.after.nests if nest.store.array == certificate.source), None)


def domain_of(attribute: ir.Attribute, shape: Sequence[int]) -> poly.Domain | None:
    """The elements that a certificate speaks of: an integer set, or the extents of a box from the origin."""
    names = [f"x{i}" for i in range(len(shape))]
    if isinstance(attribute, ir.DenseI64ArrayAttr):
        return poly.Domain.box(names, list(attribute)) if len(attribute) == len(shape) else None
    if isinstance(attribute, ir.ArrayAttr):
        extents = [ir.IntegerAttr(each).value for each in attribute]
        return poly.Domain.box(names, extents) if len(extents) == len(shape) else None
    constraints = integer_set(str(attribute))
    if constraints is None or constraints[0].n_dims != len(shape):
        return None
    return where(poly.Domain.box(names, shape), *constraints)


def integer_set(text: str) -> tuple[ir.AffineMap, list[bool]] | None:
    """The left sides of the constraints of an integer set, and which are equalities; its attribute shows only text."""
    found = re.fullmatch(r"affine_set<(\(.*?\)) : \((.*)\)>", text)
    if found is None:
        return None
    dims, constraints = found.groups()
    sides = [each.strip() for each in constraints.split(",")]
    if sides == ["0 == 0"] or sides == [""]:
        sides = ["0 >= 0"]
    left = ", ".join(side.rsplit(" ", 2)[0] for side in sides)
    parsed = ir.AffineMapAttr(ir.Attribute.parse(f"affine_map<{dims} -> ({left})>")).value
    return parsed, [side.rsplit(" ", 2)[1] == "==" for side in sides]
