"""Results by the identity of what they were made from, for values that are expensive to compare."""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Known(Generic[T]):
    """What a function returned for the same objects before; only for functions without effects."""

    def __init__(self) -> None:
        self._found: dict[tuple[Hashable, ...], tuple[tuple[object, ...], T]] = {}

    def get(self, objects: Sequence[object], make: Callable[[], T], *plain: Hashable) -> T:
        """The result for these objects and plain values, made if it is not known yet."""
        key = (*map(id, objects), *plain)
        found = self._found.get(key)
        if found is None:
            found = tuple(objects), make()  # the objects are kept, so that no other one gets their identity
            self._found[key] = found
        return found[1]
