"""Dependences between statements through one array, exact and by dataflow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import islpy as isl

from .bound import CONTEXT
from .expr import constant, dimensions, function, type_in
from .extract import Reference, Statement

Kind = Literal["RAW", "WAR", "WAW"]


@dataclass(frozen=True, eq=False)
class Dependence:
    """Iterations of statement ``sink`` that touch an element of ``array`` last touched by iterations of ``source``.

    ``source`` and ``sink`` are positions in the sequence given to :func:`dependences`; ``relation`` pairs iterations.
    RAW: the write that a read sees. WAW: the write that a write overwrites. WAR: the reads since the last write.
    """

    array: str
    kind: Kind
    source: int
    sink: int
    relation: isl.Map


def dependences(statements: Sequence[Statement], array: str) -> tuple[Dependence, ...]:
    """All dependences of ``statements`` through ``array``, by kind, source and sink.

    In one iteration of a statement its loads come before its stores. A data-dependent write may or may not happen, so
    it hides no earlier one. isl's flow analysis grows faster than linearly with the statements that share a buffer:
    ask array by array; 2-6 ms an array.
    """
    reads = _accesses(array, ((i, r) for i, s in enumerate(statements) for r in s.reads))
    writes = _accesses(array, ((i, w) for i, s in enumerate(statements) for w in s.writes))
    certain = _accesses(array, ((i, w) for i, s in enumerate(statements) for w in s.writes if not w.access.loaded))
    schedule = _schedule(statements)
    after_write = isl.UnionAccessInfo.from_sink(reads).set_must_source(certain).set_may_source(writes)
    over_write = isl.UnionAccessInfo.from_sink(writes).set_must_source(certain).set_may_source(writes)
    after_read = isl.UnionAccessInfo.from_sink(writes).set_may_source(reads).set_kill(certain)
    questions: tuple[tuple[Kind, isl.UnionAccessInfo], ...]
    questions = (("RAW", after_write), ("WAR", after_read), ("WAW", over_write))
    found: list[Dependence] = []
    for kind, question in questions:
        pairs = question.set_schedule_map(schedule).compute_flow().get_may_dependence()
        relations = pairs.get_map_list()
        for relation in map(relations.get_at, range(relations.n_map())):
            found.append(Dependence(array, kind, *_ends(relation), relation))
    return tuple(sorted(found, key=lambda d: (d.kind, d.source, d.sink)))


def _accesses(array: str, references: Iterable[tuple[int, Reference]]) -> isl.UnionMap:
    """The access relations to ``array``, from the space ``S<statement>``."""
    union = isl.UnionMap.empty(isl.Space.params_alloc(CONTEXT, 0))
    for i, reference in references:
        if reference.access.array == array:
            relation = reference.access.relation.set_tuple_name(type_in, f"S{i}")
            union = union.union(relation.set_tuple_name(isl.dim_type.out, "element").to_union_map())
    return union


def _schedule(statements: Sequence[Statement]) -> isl.UnionMap:
    """Each iteration's place in time: position and loop index by turns, from the outermost loop in."""
    union = isl.UnionMap.empty(isl.Space.params_alloc(CONTEXT, 0))
    length = max((2 * len(s.position) for s in statements), default=0)
    for i, statement in enumerate(statements):
        count = len(statement.domain.names)
        times: list[isl.Aff] = []
        for position, dim in zip(statement.position, (*dimensions(count), constant(count, 0)), strict=True):
            times += [constant(count, position), dim]
        times += [constant(count, 0)] * (length - len(times))
        place = isl.Map.from_multi_aff(function(times, count)).intersect_domain(statement.domain.set)
        union = union.union(place.set_tuple_name(type_in, f"S{i}").to_union_map())
    return union


def _ends(relation: isl.Map) -> tuple[int, int]:
    """The statements that a dependence relation leads from and to."""
    source, sink = (relation.get_tuple_name(end) or "" for end in (type_in, isl.dim_type.out))
    return int(source[1:]), int(sink[1:])
