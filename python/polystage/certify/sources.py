"""Ultimate sources: which iteration of which computing nest, element of which argument, or constant a value is.

A computing nest's value is named by the iterations of the *original* nest that contribute to it: one for an elementwise
nest, all updates of the element for a reduction. Sets of iterations of two elements never overlap, so equal names mean
equal values, and a reduction that is not finished has a smaller name than a finished one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from polystage import poly
from polystage.poly.relation import Point, Relation, Relations, at, sample

from .program import Array, Base, Chain, normal

Label = tuple[Chain, Base]
Sources = Mapping[Label, Relation]
"""For points of one kind, elements of an array or iterations of a nest, where their value comes from."""


@dataclass(frozen=True)
class Difference:
    """At ``point`` the value should come from ``expected`` and comes from ``found``; each "" for from nowhere.

    ``origins`` are the nests that it should come from.
    """

    point: Point
    expected: str
    found: str
    origins: frozenset[str]


class Contents:
    """What the arrays of a program hold at one place of it; moves along as its nests are written."""

    def __init__(self, algebra: Relations, arrays: Mapping[str, Array]) -> None:
        self.algebra = algebra
        self.arrays = arrays
        self.held: dict[str, Sources] = {name: self._initial(array) for name, array in arrays.items()}

    def _initial(self, array: Array) -> Sources:
        if not array.content or array.kind == "output":
            return {}
        whole = self.algebra.box(array.shape)
        constant = array.content[0] == "constant"
        return {((), array.content): self.algebra.unit(whole) if constant else whole}

    def whole(self, array: str) -> Sources:
        """The sources of all elements of an array."""
        return self.held[array]

    def read(self, access: poly.Access, chain: Chain = ()) -> Sources:
        """The sources of what is read at each point of the access's domain, cast by ``chain``."""
        return self.through(self.algebra.graph(access), access.array, chain)

    def through(self, elements: Relation, array: str, chain: Chain = ()) -> Sources:
        """The sources of the ``elements`` of an array that each point is related to."""
        return compose(self.algebra, elements, self.held[array], chain)

    def write(self, array: str, region: Relation, stored: Sources, kept: Label | None = None) -> None:
        """The elements in the domain of ``region`` hold what ``stored`` says, and what they held under ``kept``."""
        held = dict(self.held[array])
        for label in held:
            if label != kept and self.algebra.meet(held[label], region):
                held[label] = self.algebra.outside(held[label], region)
        for label, new in stored.items():
            held[label] = self.algebra.union(held[label], new) if label in held else new
        self.held[array] = {label: relation for label, relation in held.items() if not relation.empty}


def compose(algebra: Relations, first: Relation, sources: Sources, chain: Chain = ()) -> Sources:
    """The sources of what each point is related to by ``first``, cast by ``chain``."""
    found: dict[Label, Relation] = {}
    for (casts, base), relation in sources.items():
        composed = algebra.then(first, relation)
        if not composed.empty:
            label = normal((*casts, *chain), base) if casts or chain else (casts, base)
            found[label] = algebra.union(found[label], composed) if label in found else composed
    return found


def only(algebra: Relations, sources: Sources, points: Relation) -> Sources:
    """The sources of the points in the domain of ``points``."""
    inside = {label: algebra.inside(relation, points) for label, relation in sources.items()}
    return {label: relation for label, relation in inside.items() if not relation.empty}


def difference(algebra: Relations, expected: Sources, found: Sources) -> Difference | None:
    """A point whose sources are not the same, if there is one."""
    for label in {**expected, **found}:
        a, b = expected.get(label), found.get(label)
        if a is not None and b is not None and algebra.equal(a, b):
            continue
        wrong = a if b is None else b if a is None else algebra.minus(a, b)
        if a is not None and b is not None and wrong is not None and wrong.empty:
            wrong = algebra.minus(b, a)
        if wrong is None or wrong.empty:
            continue
        point, end = sample(wrong)
        here = [base for (_, base), relation in expected.items() if at(relation, point) is not None]
        origins = frozenset(base[1] for base in here if base[0] == "nest")
        texts = describe(expected, point), describe(found, point)
        if texts[0] == texts[1]:
            missing = a is not None and not algebra.minus(a, b or a).empty
            texts = (texts[0], f"{texts[1]} {'without' if missing else 'with'} {_words(label, end)}")
        return Difference(point, *texts, origins)
    return None


def describe(sources: Sources, point: Point) -> str:
    """Where the value at a point comes from, in words; several sources are a value made of parts."""
    found = ((label, at(relation, point)) for label, relation in sources.items())
    return " and ".join(_words(label, end) for label, end in found if end is not None)


def _words(label: Label, end: Point) -> str:
    chain, base = label
    match base[0]:
        case "constant":
            text = f"{base[1]} : {base[2]}"
        case "index":
            text = f"index {end[0]}"
        case "nest":
            text = f"iteration ({', '.join(map(str, end))}) of {base[1]}"
        case _:
            text = f"{base[-1][:40]}[{', '.join(map(str, end))}]"
    return " ".join([text, *(f"after {name}" for name, _, _ in chain)])


def total(algebra: Relations, sources: Iterable[Relation]) -> Relation | None:
    """All points that have a source, as the domain of a relation."""
    units = [algebra.unit(relation) for relation in sources]
    if not units:
        return None
    all_points = units[0]
    for unit in units[1:]:
        all_points = algebra.union(all_points, unit)
    return all_points
