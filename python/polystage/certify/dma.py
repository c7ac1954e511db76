"""The proof that transfers race with nothing and that every wait ends.

*Waits.* Programs of the npu dialect have loops and no branches. If each token is used exactly once, and in the block
that defines it (waited for, handed to a loop, or handed to the next iteration), then every wait is for a transfer that
was started before it on every path, once, and no transfer is left in flight.

*Races.* From its start to its wait a transfer reads its source and writes its destination. What the program executes in
between is found by following the token: the rest of its block, the iterations that carry it, what stands behind the
loop. Every access there must be to other bytes, or both only read. Accesses whose byte intervals meet are settled
by integer sets over the counters of the loops around both (:mod:`polystage.poly.meeting`), with the relation between
the two iterations that the token's way gives. Addresses are compared, so buffers that share bytes are seen.

Nothing is taken from the passes that move transfers. Every question is bounded; a bound hit is a refusal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch_mlir import ir

from polystage import poly
from polystage.certify.transfers import TOKEN, TRANSFERS, Loop, Node, Use, read
from polystage.poly.meeting import Counter, Side, meet

LAWS = {
    "once": "a token is used exactly once, in the block that defines it",
    "source": "nothing writes what a transfer in flight reads",
    "destination": "nothing touches what a transfer in flight writes",
    "not proved": "every question is answered within its bound",
}
"""What a refusal may name as broken."""

_MOST_TRIPS = 64  # iterations that a token is followed through


@dataclass(frozen=True)
class Refusal:
    """A broken law (:data:`LAWS`) at ``op``; ``start`` is the transfer in flight."""

    law: str
    op: ir.Operation
    start: ir.Operation
    message: str


@dataclass(frozen=True)
class Verdict:
    """What was found: transfers looked at, accesses compared, integer sets asked, and what is wrong."""

    transfers: int
    pairs: int
    sets: int
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True)
class _Moment:
    """Where a token is, seen from its transfer.

    ``ties``: the counter of a loop around here is that of the transfer plus so much; ``here``: it has this value;
    ``there``: the counter of a loop around the transfer, but not around here, has this value.
    """

    ties: Mapping[Loop, int]
    here: Mapping[Loop, int] = field(default_factory=dict[Loop, int])
    there: Mapping[Loop, int] = field(default_factory=dict[Loop, int])


def check(function: ir.Operation, *, addresses: bool = True, max_operations: int = 1_000_000) -> Verdict:
    """Prove the transfers of a function; :attr:`Verdict.refusals` is empty if they are right.

    Without ``addresses`` (before `allocate`) distinct buffers have distinct bytes. Raises UserError where the function
    is no npu program, or buffers have no addresses.
    """
    return _Proof(read(function, addresses), max_operations).run()


class _Proof:
    def __init__(self, nodes: list[Node], max_operations: int) -> None:
        self.max_operations = max_operations
        self.nodes: dict[ir.Operation, tuple[list[Node], int]] = {}
        self.starts: list[Node] = []
        self.refusals: list[Refusal] = []
        self.known: dict[object, Mapping[str, int] | str | None] = {}
        self.pairs = 0
        self.enter(nodes)

    def enter(self, nodes: list[Node]) -> None:
        for number, node in enumerate(nodes):
            self.nodes[node.op] = (nodes, number)
            if node.op.name in TRANSFERS:
                self.starts.append(node)
            self.enter(node.body)

    def run(self) -> Verdict:
        self.tokens()
        if not self.refusals:
            for start in self.starts:
                self.transfer(start)
        return Verdict(len(self.starts), self.pairs, len(self.known), tuple(self.refusals))

    # ---- waits

    def tokens(self) -> None:
        for op in self.nodes:
            values = [*op.results, *(op.regions[0].blocks[0].arguments if op.name == "affine.for" else ())]
            for token in [value for value in values if str(value.type) == TOKEN]:
                self.token(token, op)

    def token(self, token: ir.Value, op: ir.Operation) -> None:
        users = [use.owner.operation for use in token.uses]
        block = token.owner if isinstance(token.owner, ir.Block) else op.block
        what = "the transfer" if op.name in TRANSFERS else "a transfer that the loop carries"
        if not users:
            self.refuse("once", op, op, f"{what} is never waited for")
        for user in users[1:]:
            self.refuse("once", user, op, f"the token of {what} is used {len(users)} times; it can be waited for once")
        for user in users[:1]:
            if user.block != block:
                self.refuse(
                    "once", user, op, f"{what} is waited for in a loop that it does not start in, once per iteration"
                )

    def refuse(self, law: str, op: ir.Operation, start: ir.Operation, message: str) -> None:
        self.refusals.append(Refusal(law, op, start, message))

    # ---- races

    def transfer(self, start: Node) -> None:
        for node, moment in self.in_flight(start):
            for inner in _instructions(node):
                problem = self.conflict(start, inner, moment)
                if problem is not None:
                    self.refusals.append(problem)
                    return

    def in_flight(self, start: Node) -> Iterator[tuple[Node, _Moment]]:
        """What is executed while the transfer is in flight, loops as a whole."""
        moment = _Moment({loop: 0 for loop in start.loops})
        pending: list[tuple[ir.Value, int, list[Node], _Moment]] = []
        nodes, number = self.nodes[start.op]
        pending.append((start.op.results[0], number + 1, nodes, moment))
        for _ in range(_MOST_TRIPS):
            if not pending:
                return
            token, begin, nodes, moment = pending.pop()
            (user,) = [use.owner.operation for use in token.uses]
            end = self.nodes[user][1]
            for node in nodes[begin:end]:
                yield node, moment
            pending += self.onward(token, user, moment)
        self.refuse("not proved", start.op, start.op, f"its token is carried through over {_MOST_TRIPS} iterations")

    def onward(
        self, token: ir.Value, user: ir.Operation, moment: _Moment
    ) -> Iterator[tuple[ir.Value, int, list[Node], _Moment]]:
        """Where the token goes behind ``user``: the value it is there, from where in which block."""
        if user.name == "npu.dma_wait":
            return
        position = [operand == token for operand in user.operands].index(True)
        nodes, number = self.nodes[user]
        if user.name == "affine.for":
            node = nodes[number]
            assert node.loop is not None
            if node.loop.trips:
                inside = replace(moment, here={**moment.here, node.loop: 0})
                yield node.loop.op.regions[0].blocks[0].arguments[position + 1], 0, node.body, inside
            else:
                yield user.results[position], number + 1, nodes, moment
            return
        loop = nodes[number].loops[-1]
        around, place = self.nodes[loop.op]
        if loop in moment.ties:
            distance = moment.ties[loop]
            if distance + 1 < loop.trips:
                yield loop.op.regions[0].blocks[0].arguments[position + 1], 0, nodes, _tied(moment, loop, distance + 1)
            rest = {other: shift for other, shift in moment.ties.items() if other != loop}
            left = replace(moment, ties=rest, there={**moment.there, loop: loop.trips - 1 - distance})
            yield loop.op.results[position], place + 1, around, left
        else:
            count = moment.here[loop]
            rest = {other: value for other, value in moment.here.items() if other != loop}
            if count + 1 < loop.trips:
                later = replace(moment, here={**rest, loop: count + 1})
                yield loop.op.regions[0].blocks[0].arguments[position + 1], 0, nodes, later
            else:
                yield loop.op.results[position], place + 1, around, replace(moment, here=rest)

    def conflict(self, start: Node, node: Node, moment: _Moment) -> Refusal | None:
        for mine in start.uses:
            for other in node.uses:
                if mine.memory != other.memory or not (mine.write or other.write):
                    continue
                self.pairs += 1
                if mine.high < other.low or other.high < mine.low:
                    continue
                found = self.ask(start, mine, node, other, moment)
                if found is not None:
                    return self.refusal(start, mine, node, other, found)
        return None

    def ask(self, start: Node, mine: Use, node: Node, other: Use, moment: _Moment) -> tuple[int, ...] | str | None:
        """Values of the loops around ``node`` where the accesses meet; text where that cannot be found out."""
        same = mine.array == other.array
        numbers: dict[Loop, str] = {}
        a = _side(mine, start.loops, moment, numbers, first=True)
        b = _side(other, node.loops, moment, numbers, first=False)
        if same:  # where an array lies does not matter
            a, b = replace(a, address=0), replace(b, address=0)
        elif not mine.strides or not other.strides:
            return ()
        key = (a, b, same)
        if key not in self.known:
            try:
                with poly.bounded(self.max_operations):
                    self.known[key] = meet(a, b, same)
            except poly.OperationBoundError as error:
                self.known[key] = str(error)
        found = self.known[key]
        if found is None or isinstance(found, str):
            return found
        runs = [found.get(counter.name, 0) + counter.offset for counter in b.counters]
        return tuple(counter.first + counter.step * run for counter, run in zip(b.counters, runs, strict=True))

    def refusal(self, start: Node, mine: Use, node: Node, other: Use, found: tuple[int, ...] | str) -> Refusal:
        transfer = f"'{start.op.name}'"
        if isinstance(found, str):
            return Refusal("not proved", node.op, start.op, f"'{node.op.name}' against {transfer} in flight: {found}")
        law = "destination" if mine.write else "source"
        verb, does = ("writes" if use.write else "reads" for use in (other, mine))
        loops = ", ".join(f"iv{depth} = {value}" for depth, value in enumerate(found))
        text = (
            f"'{node.op.name}' {verb} {_bytes(other)} ({other.role}) while {transfer} in flight {does} {_bytes(mine)} "
            f"({mine.role}){f', for example at {loops}' if loops else ''}; wait for the transfer first"
        )
        return Refusal(law, node.op, start.op, text)


def _tied(moment: _Moment, loop: Loop, distance: int) -> _Moment:
    return replace(moment, ties={**moment.ties, loop: distance})


def _side(use: Use, loops: Sequence[Loop], moment: _Moment, names: dict[Loop, str], *, first: bool) -> Side:
    """The access with its counters; those of one name are shared by both sides."""
    counters: list[Counter] = []
    for loop in loops:
        fixed = moment.there.get(loop) if first else moment.here.get(loop)
        if fixed is not None:
            name, offset = "", fixed
        elif loop in moment.ties:
            name, offset = names.setdefault(loop, f"i{len(names)}"), 0 if first else moment.ties[loop]
        else:
            name, offset = f"{'k' if first else 'j'}{len(counters)}", 0
        counters.append(Counter(name, offset, loop.first, loop.step, loop.trips))
    lanes = use.memory in ("sbuf", "psum")
    return Side(tuple(counters), use.sizes, use.access, use.indices, use.address, use.strides, use.size, lanes)


def _instructions(node: Node) -> Iterator[Node]:
    if node.loop is None:
        yield node
    elif node.loop.trips:
        for inner in node.body:
            yield from _instructions(inner)


def _bytes(use: Use) -> str:
    lanes = " of each lane" if use.memory in ("sbuf", "psum") else ""
    memory = "an array in dram" if use.memory.startswith("array") else use.memory
    return f"bytes {use.low} to {use.high}{lanes} of {memory}"
