"""Certificates of eliminations: what they claim, and its proof.

``polystage.certificates`` on a module lists, for each eliminated array or a part of one: ``kind``, by which move;
``array`` and ``domain``, elements of the earlier program (an integer set, or the extents of a box); ``source`` and
``map``, the elements of the later program that hold the same values after the ``casts``, or the constant ``value``.
Of kind "initialise", the array is a sum that starts from zero now, and ``source`` at ``map`` is what it started from.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch_mlir import ir

from polystage import poly
from polystage.poly.relation import Relation, Relations, sample, where

from .embedding import Breach
from .liveness import needed_elements
from .program import Base, Program, UnreadableError, constant, normal
from .sources import Contents, Label, Sources, compose, difference, only, total
from .sums import adds, start
from .trace import Computation

ATTRIBUTE = "polystage.certificates"


@dataclass(frozen=True)
class Certificate:
    """The elements of ``array`` in ``domain`` are those of ``source`` at ``map`` after ``casts``; ``kind`` says why.

    Without a source they are the constant ``value``.
    """

    kind: str
    array: str
    domain: ir.Attribute
    source: str
    map: ir.AffineMap | None
    value: Base
    casts: tuple[str, ...]

    def __str__(self) -> str:
        there = f"{self.source} at {self.map}" if self.map else f"{self.value[1]} : {self.value[2]}"
        return " ".join([f"{self.kind}: {self.array} on {self.domain} is {there}", *(f"after {c}" for c in self.casts)])


def read_certificates(module: ir.Operation) -> tuple[Certificate, ...]:
    """The certificates of a module.

    Raises:
        UnreadableError: an entry lacks something.
    """
    if ATTRIBUTE not in module.attributes:
        return ()
    entries = [ir.DictAttr(each) for each in ir.ArrayAttr(module.attributes[ATTRIBUTE])]
    for entry in entries:
        needed = {"kind", "array", "domain"} | ({"value"} if "value" in entry else {"source", "map"})
        if missing := sorted(name for name in needed if name not in entry):
            raise UnreadableError(module, f"a certificate without {' and '.join(missing)}: {entry}")
    return tuple(map(_certificate, entries))


def _certificate(entry: ir.DictAttr) -> Certificate:
    constant_ = "value" in entry
    return Certificate(
        ir.StringAttr(entry["kind"]).value,
        ir.StringAttr(entry["array"]).value,
        entry["domain"],
        "" if constant_ else ir.StringAttr(entry["source"]).value,
        None if constant_ else ir.AffineMapAttr(entry["map"]).value,
        constant(entry["value"]) if constant_ else (),
        tuple(ir.StringAttr(each).value for each in ir.ArrayAttr(entry["casts"])) if "casts" in entry else (),
    )


@dataclass(frozen=True, eq=False)
class Claims:
    """The certificates of a transformation, with the contents of both programs at their ends."""

    algebra: Relations
    before: Program
    after: Program
    held: Contents
    holds: Contents
    originals: Mapping[str, Computation]
    certificates: Sequence[Certificate]

    @cached_property
    def by_array(self) -> Mapping[str, Sequence[Certificate]]:
        """The certificates of each array."""
        found: dict[str, list[Certificate]] = {}
        for each in self.certificates:
            found.setdefault(each.array, []).append(each)
        return found

    @cached_property
    def needed(self) -> Mapping[str, Relation]:
        """The elements of each array of the earlier program that the later one still needs."""
        return needed_elements(self.algebra, self.before, {nest.origin for nest in self.after.nests})

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
        if array is None:
            return Breach("certificate", f"no array '{certificate.array}'")
        domain = domain_of(certificate.domain, array.shape)
        if domain is None:
            return Breach("certificate", f"the domain does not fit '{array.name}' of {len(array.shape)} dimensions")
        whole = self.algebra.identity(domain)
        if not self.algebra.covers(self.algebra.box(array.shape), whole):
            return Breach("domain", f"the domain leaves '{array.name}'")
        if certificate.map is None:
            return self.algebra.unit(whole)
        source = self.after.arrays.get(certificate.source)
        if source is None:
            return Breach("certificate", f"no array '{certificate.source}' in the later program")
        if (certificate.map.n_dims, len(certificate.map.results)) != (len(array.shape), len(source.shape)):
            return Breach("certificate", f"the map does not lead from '{array.name}' to '{source.name}'")
        elements = self.algebra.graph(poly.from_affine_map(certificate.map, source.name, domain))
        if not self.algebra.covers(self.algebra.box(source.shape), self.algebra.inverse(elements)):
            return Breach("domain", f"the map leaves '{source.name}'")
        return elements

    def moved(self, before: str, after: str) -> Relation | None:
        """From the elements of an array of the earlier program to where they seem to be in one of the later one."""
        if before == after or after not in self.before.arrays:
            shape = self.before.arrays[before].shape
            return self.algebra.box(shape) if shape == self.after.arrays[after].shape else None
        found: Relation | None = None
        for certificate in self.by_array.get(before, ()):
            here = certificate.source == after and certificate.kind != "initialise"
            elements = self.relation(certificate) if here else None
            if isinstance(elements, Relation):
                found = elements if found is None else self.algebra.union(found, elements)
        return found

    def prove(self, certificate: Certificate) -> Breach | None:
        """The law that a certificate breaks, if it breaks one."""
        elements = self.relation(certificate)
        if isinstance(elements, Breach):
            return elements
        needed = self.needed.get(certificate.array)
        if needed is None:
            return None
        elements = self.algebra.inside(elements, needed)
        expected = only(self.algebra, self.held.whole(certificate.array), elements)
        if certificate.kind == "initialise":
            started = self.starts(expected)
            if started is None:
                return Breach("content", f"'{certificate.array}' is no sum with a start")
            expected = started
        found = self.found(certificate, elements, expected)
        wrong = difference(self.algebra, self.placed(expected, found), found)
        if wrong is not None:
            return Breach("content", f"'{certificate.source or 'the constant'}' is another value", wrong)
        return self.covered(certificate)

    def found(self, certificate: Certificate, elements: Relation, expected: Sources) -> Sources:
        """What the claimed elements of the source hold, after the claimed casts."""
        tails = (chain[i:] for chain, _ in expected for i in range(len(chain) + 1))
        chain = next((tail for tail in tails if tuple(name for name, _, _ in tail) == certificate.casts), None)
        if certificate.map is None:
            return {normal(chain or (), certificate.value): elements}
        if chain is None and len(certificate.casts) == 1:
            ends = self.after.arrays[certificate.source].type, self.before.arrays[certificate.array].type
            chain = ((certificate.casts[0], *ends),)
        there = self.holds.through(elements, certificate.source, chain or ())
        return {self.completed(label): relation for label, relation in there.items()}

    def completed(self, label: Label) -> Label:
        """A sum whose start its readers add, as a certificate says, counts as the original's result."""
        chain, base = label
        return (chain, ("nest", base[1])) if base[0] == "sum" and base[1] in self.apart else label

    @cached_property
    def apart(self) -> frozenset[str]:
        """The origins of the sums whose start is added later, by certificate."""
        arrays = {each.array for each in self.certificates if each.kind == "initialise"}
        labels = (label for array in arrays if array in self.held.held for label in self.held.whole(array))
        return frozenset(base[1] for _, base in labels if base[0] == "nest")

    def placed(self, expected: Sources, found: Sources) -> Sources:
        """Without constants where the source holds nothing: their readers have them in their bodies."""
        present = total(self.algebra, found.values())
        if present is None:
            return {label: each for label, each in expected.items() if label[1][0] != "constant"}
        kept = {
            label: self.algebra.inside(each, present) if label[1][0] == "constant" else each
            for label, each in expected.items()
        }
        return {label: each for label, each in kept.items() if not each.empty}

    def starts(self, sums: Sources) -> Sources | None:
        """What the reductions that make up ``sums`` start from."""
        found: Sources = {}
        for (chain, base), relation in sums.items():
            original = self.originals.get(base[1]) if base[0] == "nest" and not chain else None
            if original is None or not adds(original):
                return None
            for label, each in compose(self.algebra, relation, start(original)).items():
                found = {**found, label: self.algebra.union(found[label], each) if label in found else each}
        return found

    def covered(self, certificate: Certificate) -> Breach | None:
        """Whether the certificates of an array that is gone hold for all that is needed of it, constants apart."""
        array = certificate.array
        holders = [each for each in self.by_array[array] if each.kind != "initialise"]
        if array in self.after.arrays or not holders or certificate is not holders[0]:
            return None
        claimed = [x for each in holders if isinstance(x := self.relation(each), Relation)]
        covered = total(self.algebra, claimed)
        for (_, base), relation in self.held.whole(array).items():
            needed = self.algebra.unit(self.algebra.inside(relation, self.needed[array]))
            missing = self.algebra.outside(needed, covered) if covered else needed
            if not missing.empty and base[0] != "constant":
                point, _ = sample(missing)
                text = f"element [{', '.join(map(str, point))}] of '{array}' is needed and has no certificate"
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
