"""Restarts of the exact search: many short attempts with different tactics, because run lengths are heavy-tailed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polystage.alloc.merging import merge
from polystage.alloc.search import Outcome, Search, Tactics
from polystage.alloc.sections import Instance

_SKIP_COSTS = (1, 3, 10, 1000)
_JITTER = (0.0, 0.05, 0.1, 0.3)  # of a rank, as a part of all ranks
_NOISE = (0.2, 1.0, 3.0)
_ACCIDENTS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0)
_MERGED_SHARE = 0.8  # of the attempts, where every section is full
_NODES_PER_ITEM = 1.5
_LONG_EVERY, _LONG = 50, 10  # one attempt of many is longer, for the proof that nothing fits


@dataclass(frozen=True)
class Switches:
    """What the exact search uses. Without any of them its answers stay right, but fewer problems are solved.

    - ``restarts``: short attempts with different tactics instead of one long one.
    - ``merging``: items that fit each other exactly become one where sections are full.
    - ``propagation``: the space under everything that is left in a section is lost.
    - ``all_valleys``, ``fewest_first``: where to branch; otherwise the lowest valleys, the leftmost section.
    - ``jumps``: a skip goes to the next possible offset; otherwise one unit up.
    - ``distinct``: of equal items one is tried.
    - ``skip_costs``, ``weights``, ``several_orders``: what restarts vary.
    """

    restarts: bool = True
    merging: bool = True
    propagation: bool = True
    all_valleys: bool = True
    fewest_first: bool = True
    jumps: bool = True
    distinct: bool = True
    skip_costs: bool = True
    weights: bool = True
    several_orders: bool = True


@dataclass(frozen=True)
class Result:
    """``offsets`` in units when ``packed``; the ``nodes`` that all attempts took together."""

    outcome: Outcome
    offsets: Sequence[int]
    nodes: int


def restarts(instance: Instance, switches: Switches, seed: int, nodes: int) -> Result:
    """Attempts until one packs ``instance``, one exhausts its tree, or ``nodes`` are used up."""
    rng = random.Random(seed)
    full = sum(instance.full) / max(1, len(instance.covers))
    spent = attempt = 0
    while spent < nodes:
        if switches.merging and rng.random() < _MERGED_SHARE * full * full:
            merged = merge(instance, rng, rng.choice(_NOISE), rng.choice(_ACCIDENTS))
            spent += len(instance.items) // 2
            target = merged.instance
        else:
            merged, target = None, instance
        limit = min(nodes - spent, _limit(target, attempt) if switches.restarts else nodes)
        search = Search(target, _tactics(target, switches, rng, limit))
        outcome = search.run()
        spent += max(1, search.nodes)
        attempt += 1
        if outcome == "packed":
            offsets = search.offsets if merged is None else merged.expand(search.offsets, len(instance.items))
            return Result(outcome, offsets, spent)
        if outcome == "exhausted" and merged is None:
            return Result(outcome, (), spent)
    return Result("stopped", (), spent)


def _limit(instance: Instance, attempt: int) -> int:
    """Nodes of an attempt: in proportion to the items, but enough for the whole tree of a very small instance."""
    count = len(instance.items)
    limit = max(int(_NODES_PER_ITEM * count) + 1, 20_000 // (count + 1))
    return limit * _LONG if attempt % _LONG_EVERY == _LONG_EVERY - 1 else limit


def _tactics(instance: Instance, switches: Switches, rng: random.Random, nodes: int) -> Tactics:
    orders = list(_orders(instance))
    order = rng.choice(orders if switches.several_orders else orders[:1])
    jitter = rng.choice(_JITTER) * len(order) if switches.restarts else 0.0
    rank = [0.0] * len(order)
    for position, i in enumerate(order):
        rank[i] = position + rng.random() * jitter
    return Tactics(
        rank,
        nodes,
        skip_cost=rng.choice(_SKIP_COSTS) if switches.skip_costs else 0,
        weighted=switches.weights and rng.random() < 0.5,
        propagate=switches.propagation,
        all_valleys=switches.all_valleys,
        fewest_first=switches.fewest_first,
        jump=switches.jumps,
        distinct=switches.distinct,
    )


def _orders(instance: Instance) -> Iterator[list[int]]:
    """By lifetime, contention, size and area, each with ties broken by others; greatest first."""
    items, loads = instance.items, instance.loads
    size = [max(item.heights) for item in items]
    life = [item.last + 1 - item.first for item in items]
    area = [sum(item.heights) for item in items]
    contention = [max(loads[item.first : item.last + 1]) for item in items]
    for keys in (
        (life, area, contention),
        (contention, area, life),
        (size, life, contention),
        (area, life, contention),
    ):
        yield sorted(range(len(items)), key=lambda i: tuple(key[i] for key in keys), reverse=True)
