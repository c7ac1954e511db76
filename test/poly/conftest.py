"""Polyhedral tests read affine maps, which live in an MLIR context."""

from collections.abc import Iterator

import pytest
from torch_mlir import ir


@pytest.fixture(autouse=True)
def mlir_context() -> Iterator[None]:
    with ir.Context(), ir.Location.unknown():
        yield
