"""The independent checker of copy elimination: two programs in affine normal form compute the same values.

Both are walked in program order with the *ultimate source* of every array element (:mod:`.sources`). Every computing
nest of the later program must be (a piece of) the nest of the earlier one that its ``polystage.origin`` names: the same
expression of operands with the same ultimate sources (:mod:`.embedding`), each original iteration at most once; and
every element of every output must have the same ultimate source. Then the certificates that the module carries are
proved one by one (:mod:`.certificates`). Moves, casts and fills need no counterpart: only their effect counts.

What is proved holds whatever the certificates say, and nothing is taken from the pass that wrote them. Reductions may
be taken apart and reordered. Every question is bounded; a bound that is hit is a refusal under the law "not proved".
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch_mlir import ir

from polystage import poly
from polystage.poly.relation import Point, Relation, Relations, sample

from .certificates import Certificate, Claims, read_certificates
from .constants import constant_results
from .embedding import Breach, Pairing, match
from .program import Nest, Program, UnreadableError, read_program
from .sources import Contents, Difference, Sources, difference, total
from .sums import Settling, adds
from .trace import Computation, NotProvedError, computation, finish, move, out_of_bounds

LAWS = {
    "body": "a nest computes the same expression as its original",
    "source": "every operand has the same ultimate source as in the original",
    "initial": "a reduction starts from the same values as the original",
    "order": "what the original reads is written before, and not overwritten",
    "partition": "the pieces of a nest make up its domain, each iteration once",
    "origin": "every computing nest has an original",
    "missing": "a nest whose result is used is there",
    "bounds": "every access is inside of its array",
    "argument": "outputs and arrays of its own are all that a program stores to",
    "output": "every element of every output has the same ultimate source",
    "content": "an element of an eliminated array is found where its certificate says",
    "domain": "the certificates of an array cover what is needed of it",
    "certificate": "a certificate names arrays that exist",
    "not proved": "every question is answered within its bound",
}
"""What a refusal may name as broken."""


@dataclass(frozen=True)
class Refusal:
    """A broken law (:data:`LAWS`): ``kind`` of the certificate, or "nest", "output" or "program"; where; why.

    ``point`` is an iteration of the nest or an element of the array that shows it, () where none is known.
    """

    law: str
    kind: str
    arrays: tuple[str, ...]
    point: Point
    message: str
    op: ir.Operation

    def __str__(self) -> str:
        return f"{self.kind} of {', '.join(self.arrays)}: {self.message} (broken: {LAWS[self.law]})"


@dataclass(frozen=True)
class Verdict:
    """What was proved and what was not; ``nests`` counts the computing nests of the later program."""

    proved: tuple[Certificate, ...]
    refusals: tuple[Refusal, ...]
    nests: int

    @property
    def holds(self) -> bool:
        """Whether the later program computes what the earlier one does, and all its certificates are right."""
        return not self.refusals


def check(before: ir.Operation, after: ir.Operation, max_operations: int = 20_000_000) -> Verdict:
    """Check the module ``after`` against the module ``before``, from which it was made by removing copies.

    ``max_operations`` bounds the isl operations spent on one nest, output or certificate (10^6 take about 0.1 s).
    """
    checker = _Checker(after, max_operations)
    try:
        checker.run(before, after)
    except UnreadableError as error:
        checker.refuse("not proved", "program", (), str(error), error.op)
    return Verdict(tuple(checker.proved), tuple(checker.refusals), checker.nests)


@dataclass(eq=False)
class _Checker:
    """One comparison, which shares its relations and gathers refusals."""

    module: ir.Operation
    max_operations: int
    algebra: Relations = field(default_factory=Relations)
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    proved: list[Certificate] = field(default_factory=list[Certificate])
    originals: dict[str, Computation] = field(default_factory=dict[str, Computation])
    constants: dict[str, Sources] = field(default_factory=dict[str, Sources])
    pieces: dict[str, list[tuple[Nest, Relation]]] = field(default_factory=dict[str, list[tuple[Nest, Relation]]])
    sums: bool = False
    nests: int = 0

    def run(self, before: ir.Operation, after: ir.Operation) -> None:
        """All parts of the check in turn."""
        old, new = read_program(before), read_program(after)
        held = Contents(self.algebra, old.arrays)
        for nest in old.nests:
            self.bounded(nest, lambda nest=nest: self.trace(held, nest))
        certificates = read_certificates(after)
        holds = Contents(self.algebra, new.arrays)
        present = frozenset(nest.origin for nest in new.nests)
        claims = Claims(self.algebra, old, new, held, holds, self.originals, certificates)
        for nest in new.nests:
            self.bounded(nest, lambda nest=nest: self.follow(holds, nest, claims, present))
        for origin, pieces in self.pieces.items():
            self.bounded(pieces[0][0], lambda origin=origin, pieces=pieces: self.partition(origin, pieces))
        self.outputs(old, new, held, holds, present)
        self.certificates(claims, new)

    def bounded(self, nest: Nest, question: Callable[[], None]) -> None:
        """Answer a question about a nest within the bound, or refuse."""
        try:
            with poly.bounded(self.max_operations):
                question()
        except (NotProvedError, poly.OperationBoundError) as error:
            self.refuse("not proved", "nest", (nest.store.array,), str(error), nest.op)

    def refuse(
        self, law: str, kind: str, arrays: tuple[str, ...], message: str, op: ir.Operation, point: Point = ()
    ) -> None:
        """Record a broken law."""
        self.refusals.append(Refusal(law, kind, arrays, point, message, op))

    def trace(self, contents: Contents, nest: Nest) -> None:
        """One nest of the earlier program."""
        if nest.moves:
            move(self.algebra, contents, nest)
            return
        if nest.origin in self.originals:
            raise NotProvedError(f"two nests have the origin '{nest.origin}'")
        done = computation(self.algebra, contents, nest)
        self.originals[nest.origin] = done
        constants = self.constants[nest.origin] = constant_results(self.algebra, done)
        finish(self.algebra, contents, done, self.algebra.identity(nest.domain), done.accumulates, constants)

    def follow(self, contents: Contents, nest: Nest, claims: Claims, present: frozenset[str]) -> None:
        """One nest of the later program."""
        beyond = out_of_bounds(self.algebra, contents, nest)
        if beyond is not None:
            self.refuse("bounds", "nest", (nest.store.array, beyond), f"accesses '{beyond}' beyond its end", nest.op)
            return
        target = contents.arrays[nest.store.array]
        if target.kind not in ("alloc", "output"):
            self.refuse("argument", "nest", (target.name,), f"stores to the {target.kind} '{target.name}'", nest.op)
            return
        settling = Settling(self.algebra, contents, nest, self.originals)
        nest = settling.run() if self.sums else nest
        if nest.moves:
            move(self.algebra, contents, nest, settling.known)
            return
        self.nests += 1
        original = self.originals.get(nest.origin)
        done = computation(self.algebra, contents, nest, settling.known)
        if original is None:
            self.refuse("origin", "nest", (nest.store.array,), f"no original '{nest.origin}' computes", nest.op)
            return
        pairs = match(original, done)
        embedding, moved = pairs, claims.moved(original.nest.store.array, nest.store.array)
        if not isinstance(pairs, Breach):
            taken = self.taken(nest.origin)
            embedding = Pairing(self.algebra, original, done, pairs, moved, taken).embed()
            if isinstance(embedding, Breach) and adds(original):
                apart = replace(done, kind="sum")
                second = Pairing(self.algebra, original, apart, pairs, moved, taken).embed()
                if isinstance(second, Relation):
                    done, embedding, self.sums = apart, second, True
        if isinstance(embedding, Breach):
            self.breach(nest, embedding, present)
            guess = Pairing(self.algebra, original, done, [], moved, None).guess()
            if guess is not None:  # one error, not one for each reader
                finish(self.algebra, contents, done, guess, original.accumulates, {})
            return
        assert isinstance(embedding, Relation)
        self.pieces.setdefault(nest.origin, []).append((nest, embedding))
        constants = constant_results(self.algebra, done)
        finish(self.algebra, contents, done, embedding, original.accumulates, constants)

    def taken(self, origin: str) -> Relation | None:
        """The iterations of an original that its pieces up to here do, as the domain of a relation."""
        return total(self.algebra, (self.algebra.inverse(each) for _, each in self.pieces.get(origin, ())))

    def breach(self, nest: Nest, breach: Breach, present: frozenset[str]) -> None:
        """Record what is wrong with a nest."""
        law, wrong = breach.law, breach.difference
        message = breach.message
        if wrong is not None:
            law, text = explained(law, wrong, present)
            message = f"{message} at iteration ({', '.join(map(str, wrong.point))}): {text}"
        self.refuse(law, "nest", (nest.store.array,), message, nest.op, wrong.point if wrong else ())

    def partition(self, origin: str, pieces: list[tuple[Nest, Relation]]) -> None:
        """The iterations of the pieces are those of the original, each once."""
        whole = self.algebra.identity(self.originals[origin].nest.domain)
        if len(pieces) == 1 and pieces[0][1] is whole:
            return
        done: Relation | None = None
        for nest, embedding in pieces:
            image = self.algebra.inverse(embedding)
            twice = None if self.algebra.injective(embedding) else image
            if twice is None and done is not None and self.algebra.meet(done, image):
                twice = self.algebra.inside(self.algebra.unit(image), done)
            if twice is not None:
                point, _ = sample(twice)
                where = f"iteration ({', '.join(map(str, point))}) of {origin} is done twice"
                self.refuse("partition", "nest", (nest.store.array,), where, nest.op, point)
                return
            unit = self.algebra.unit(image)
            done = unit if done is None else self.algebra.union(done, unit)
        assert done is not None
        missing = self.algebra.outside(whole, done)
        for constants in self.constants[origin].values():
            missing = self.algebra.outside(missing, constants)
        if not missing.empty:
            point, _ = sample(missing)
            nest, where = pieces[-1][0], f"iteration ({', '.join(map(str, point))}) of {origin} is not done"
            self.refuse("partition", "nest", (nest.store.array,), where, nest.op, point)

    def outputs(self, old: Program, new: Program, held: Contents, holds: Contents, present: frozenset[str]) -> None:
        """Every element of every output comes from where it came from; arguments are the same arrays."""
        for name, array in new.arrays.items():
            if array.kind not in ("alloc", "global") and old.arrays.get(name, array) != array:
                self.refuse("output", "program", (name,), f"argument '{name}' is another array", new.func)
        for name, array in old.arrays.items():
            if array.kind != "output":
                continue
            if name not in new.arrays:
                self.refuse("output", "output", (name,), f"output '{name}' is gone", new.func)
                continue
            with poly.bounded(self.max_operations):
                wrong = difference(self.algebra, held.whole(name), holds.whole(name))
            if wrong is not None:
                law, text = explained("output", wrong, present)
                writers = [nest.op for nest in new.nests if nest.store.array == name]
                message = f"element [{', '.join(map(str, wrong.point))}]: {text}"
                self.refuse(law, "output", (name,), message, writers[-1] if writers else new.func, wrong.point)

    def certificates(self, claims: Claims, new: Program) -> None:
        """Each certificate by itself."""
        for certificate in claims.certificates:
            try:
                with poly.bounded(self.max_operations):
                    breach = claims.prove(certificate)
            except poly.OperationBoundError as error:
                breach = Breach("not proved", str(error))
            if breach is None:
                self.proved.append(certificate)
            else:
                arrays = tuple(filter(None, (certificate.array, certificate.source)))
                point = breach.difference
                message = breach.message
                if point is not None:
                    where = f"[{', '.join(map(str, point.point))}]"
                    message = f"{message} at {where}: {_words(point)}"
                op = new.func if claims.site(certificate) is None else claims.site(certificate)
                assert op is not None
                self.refuse(breach.law, certificate.kind, arrays, message, op, point.point if point else ())


def explained(law: str, wrong: Difference, present: frozenset[str]) -> tuple[str, str]:
    """The law that a difference breaks, and the difference in words."""
    if wrong.origins - present:
        law = "missing"
    elif not wrong.found:
        law = "order"
    return law, _words(wrong)


def _words(wrong: Difference) -> str:
    return f"{wrong.found or 'nothing written'} instead of {wrong.expected or 'nothing written'}"
