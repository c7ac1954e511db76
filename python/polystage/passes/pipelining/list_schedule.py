"""The order in which engines wait least for each other (policy of ``order-instructions``): list scheduling.

Every engine takes the instructions that it is given in their order. One after the other the instruction is chosen that
can begin first; where several can, the one from which the longest path of dependent instructions leads to the end
(Graham, "Bounds on multiprocessing timing anomalies", 1969; Gibbons and Muchnick, "Efficient instruction scheduling for
a pipelined architecture", 1986). Transfers take their turns in the order of the program, as if nothing but what they
depend on held them.

Two things keep lives short: an instruction may run before at most ``window`` others that come first in the program, and
a tile of PSUM begins only where a bank is free, the one that is free for longest. As many banks as the order of the
program needs at once are left to the oldest tile that has none, so that the oldest instruction can always run.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from polystage.passes.pipelining.accesses import Reader, Touched

DMA = "dma"


@dataclass(frozen=True)
class Node:
    """An instruction, a loop, or a transfer with its wait: ns by engine, what it touches."""

    busy: Mapping[str, float]
    touched: tuple[Touched, ...]

    @property
    def ns(self) -> float:
        """How long its engines are held."""
        return max(self.busy.values(), default=0.0)

    @property
    def transfers(self) -> bool:
        """Whether it is a transfer."""
        return DMA in self.busy


@dataclass(frozen=True)
class Rules:
    """``semaphore``: ns until another engine may use a result; ``latency``: ns until the data of a transfer begin to
    move; ``tiles``: buffers of PSUM, as numbers of memrefs, that take one of so many ``banks`` each.
    """

    semaphore: float
    latency: float
    tiles: frozenset[int]
    banks: int


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of the program, with the numbers of earlier ones that each ``needs``.

    ``tiles`` are those that it touches.
    """

    nodes: tuple[Node, ...]
    needs: tuple[frozenset[int], ...]
    needed_by: tuple[tuple[int, ...], ...]
    tiles: tuple[tuple[int, ...], ...]
    rules: Rules


@dataclass(frozen=True)
class Order:
    """Numbers of nodes as they run, the bank of each tile, and the ns that all take."""

    numbers: tuple[int, ...]
    banks: Mapping[int, int]
    ns: float


def graph_of(nodes: Sequence[Node], reader: Reader, rules: Rules) -> Graph:
    """The dependences between nodes: those that conflict keep their order."""
    needs = [set[int]() for _ in nodes]
    seen: dict[int, list[tuple[int, Touched]]] = defaultdict(list)
    for number, node in enumerate(nodes):
        for each in node.touched:
            needs[number] |= {k for k, other in seen[each.memref] if reader.conflict(other, each)}
        for each in node.touched:
            seen[each.memref].append((number, each))
    needed_by: list[list[int]] = [[] for _ in nodes]
    for number, earlier in enumerate(needs):
        for k in earlier:
            needed_by[k].append(number)
    touched = [dict.fromkeys(each.memref for each in node.touched) for node in nodes]
    tiles = [tuple(memref for memref in memrefs if memref in rules.tiles) for memrefs in touched]
    return Graph(tuple(nodes), tuple(map(frozenset, needs)), tuple(map(tuple, needed_by)), tuple(tiles), rules)


def ordered(graph: Graph, window: int) -> Order:
    """The order in which nodes are chosen; there are banks for ``most_tiles``."""
    return _Choosing(graph, window).run()


def in_program_order(graph: Graph) -> Order:
    """The order of the program."""
    clock = _Clock(graph)
    for number in range(len(graph.nodes)):
        clock.place(number)
    return Order(tuple(range(len(graph.nodes))), clock.banks, clock.end)


class _Clock:
    """When engines and banks are free and results are ready, as nodes are placed one after the other."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.rules = graph, graph.rules
        self.free: dict[str, float] = defaultdict(float)
        self.ready = [0.0] * len(graph.nodes)
        self.uses = Counter(tile for tiles in graph.tiles for tile in tiles)
        self.idle = [(0.0, bank) for bank in range(graph.rules.banks)]
        self.banks: dict[int, int] = {}
        self.end = 0.0

    def new(self, number: int) -> list[int]:
        """The tiles that begin with a node."""
        return [tile for tile in self.graph.tiles[number] if tile not in self.banks]

    def begin(self, number: int) -> float:
        """When a node could begin now; there are banks for the tiles that begin with it."""
        new = self.new(number)
        bank = sorted(self.idle)[len(new) - 1][0] if new else 0.0
        return max([self.ready[number], bank, *(self.free[engine] for engine in self.graph.nodes[number].busy)])

    def place(self, number: int) -> None:
        """Let a node run as soon as it can."""
        node, begin = self.graph.nodes[number], self.begin(number)
        for engine in node.busy:
            self.free[engine] = begin + node.ns
        end = begin + node.ns + (self.rules.latency if node.transfers else 0.0)
        self.end = max(self.end, end)
        for later in self.graph.needed_by[number]:
            apart = self.graph.nodes[later].busy.keys() != node.busy.keys()
            self.ready[later] = max(self.ready[later], end + (self.rules.semaphore if apart else 0.0))
        for tile in self.new(number):
            self.idle.remove(first := min(self.idle))
            self.banks[tile] = first[1]
        for tile in self.graph.tiles[number]:
            self.uses[tile] -= 1
            if not self.uses[tile]:
                self.idle.append((end + self.rules.semaphore, self.banks[tile]))


class _Choosing:
    def __init__(self, graph: Graph, window: int) -> None:
        self.graph, self.window, self.clock = graph, window, _Clock(graph)
        self.left = [len(needs) for needs in graph.needs]
        self.urgency = _urgency(graph)
        self.waiting: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self.done = [False] * len(graph.nodes)
        self.oldest = 0
        self.unbegun = dict.fromkeys(self.clock.uses)
        self.spare = graph.rules.banks - most_tiles(graph)
        self.early = set[int]()

    def run(self) -> Order:
        for number, left in enumerate(self.left):
            if not left:
                self.wait(number)
        numbers = tuple([self.choose() for _ in self.graph.nodes])
        return Order(numbers, self.clock.banks, self.clock.end)

    def wait(self, number: int) -> None:
        self.waiting[tuple(self.graph.nodes[number].busy)].append(number)

    def choose(self) -> int:
        """Place the next node."""
        number = min(each for numbers in self.waiting.values() for each in self.candidates(numbers))[2]
        self.waiting[tuple(self.graph.nodes[number].busy)].remove(number)
        self.take_banks(number)
        self.clock.place(number)
        self.done[number] = True
        while self.oldest < len(self.done) and self.done[self.oldest]:
            self.oldest += 1
        for later in self.graph.needed_by[number]:
            self.left[later] -= 1
            if not self.left[later]:
                self.wait(later)
        return number

    def candidates(self, numbers: Sequence[int]) -> Iterator[tuple[float, float, int]]:
        """Begin, urgency and number of nodes of the same engines that may be next."""
        for number in numbers:
            if self.graph.nodes[number].transfers:
                yield self.clock.begin(number), 0.0, number
            elif number < self.oldest + self.window and self.may_begin(self.clock.new(number)):
                yield self.clock.begin(number), -self.urgency[number], number

    def may_begin(self, tiles: Sequence[int]) -> bool:
        """Whether there are banks for these tiles."""
        idle = len(self.clock.idle)
        return len(tiles) <= (idle if self.is_oldest(tiles) else min(idle, self.spare))

    def is_oldest(self, tiles: Sequence[int]) -> bool:
        """Whether no tile without a bank comes before these."""
        return all(a == b for a, b in zip(tiles, self.unbegun, strict=False))

    def take_banks(self, number: int) -> None:
        """Note which banks are spare when a node has run."""
        new = self.clock.new(number)
        if not self.is_oldest(new):
            self.early.update(new)
            self.spare -= len(new)
        for tile in new:
            del self.unbegun[tile]
        self.spare += sum(tile in self.early and self.clock.uses[tile] == 1 for tile in self.graph.tiles[number])


def most_tiles(graph: Graph) -> int:
    """Tiles in use at once in the order of the program."""
    left = Counter(tile for tiles in graph.tiles for tile in tiles)
    begun, most = set[int](), 0
    for tiles in graph.tiles:
        begun.update(tiles)
        most = max(most, len(begun))
        left.subtract(tiles)
        begun -= {tile for tile in tiles if not left[tile]}
    return most


def _urgency(graph: Graph) -> list[float]:
    """ns of the longest path from the beginning of each node to the end of the program.

    What works on a tile is as urgent as what began it: tiles are finished one after the other.
    """
    paths = [0.0] * len(graph.nodes)
    of_tile: dict[int, float] = {}
    for number in range(len(graph.nodes) - 1, -1, -1):
        later = [paths[k] + graph.rules.semaphore for k in graph.needed_by[number]]
        paths[number] = graph.nodes[number].ns + max(later, default=0.0)
        of_tile.update((tile, paths[number]) for tile in graph.tiles[number])
    return [max([path, *(of_tile[t] for t in tiles)]) for path, tiles in zip(paths, graph.tiles, strict=True)]


def loads_late(graph: Graph, order: Order) -> list[int]:
    """The order with transfers that depend on nothing right before the first node that needs them."""
    early = {k for k, node in enumerate(graph.nodes) if node.transfers and not graph.needs[k] and graph.needed_by[k]}
    found: list[int] = []
    for number in order.numbers:
        if number in early:
            continue
        found += sorted(early & graph.needs[number])
        early -= graph.needs[number]
        found.append(number)
    return found
