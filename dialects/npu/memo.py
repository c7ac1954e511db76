"""Memoisation on MLIR objects that does not keep contexts alive.

Attributes, types and maps are unique in their context, cheap to hash, and hold a reference to it: an ordinary cache of
them would keep every context of a process alive, 2.5 MB each.
"""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from torch_mlir import ir


class _Owned(Protocol):
    @property
    def context(self) -> ir.Context: ...


S = TypeVar("S", bound=_Owned)
P = ParamSpec("P")
R = TypeVar("R")


def memoised(function: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """``function`` with its results kept for as long as its first argument comes from the same context."""
    state: tuple[ir.Context | None, dict[object, R]] = (None, {})

    def lookup(subject: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal state
        context, results = state
        if subject.context is not context:
            results = dict[object, R]()
            state = (subject.context, results)
        key = (subject, args)
        if key not in results:
            results[key] = function(subject, *args, **kwargs)
        return results[key]

    return lookup
