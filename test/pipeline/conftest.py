import sys
from pathlib import Path

import pytest
from torch_mlir import ir

from polystage.pipeline import Registry

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def samples() -> Registry:
    return Registry("sample_passes")


@pytest.fixture
def context():
    with ir.Context() as context, ir.Location.unknown():
        yield context
