"""The floors of the house: imports point down, and heavy libraries are imported by the rooms that own them only."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "polystage"
# bottom up; a room imports rooms of lower floors, and itself
FLOORS = (
    {"errors"},
    {"dialects", "machine", "poly", "alloc", "importers", "zoo"},
    {"analysis", "interp", "certify", "pipeline", "signature"},
    {"passes", "report"},
    {"api"},
    {"cli", "driver"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# files of the top of the package that make up one room
ROOMS = {"compilation": "api", "compiled": "api", "loading": "api", "reference": "api", "storage": "api"}
# imports within a floor, and why
NEIGHBOURS = {
    ("dialects", "machine"),  # verifiers know the lane and size rules of the target
    ("analysis", "interp"),  # predicted and executed counts are values of the same type
    ("signature", "analysis"),  # reads the arguments of the one function
    ("importers", "dialects"),  # files of IR with scans and scatters
    ("importers", "zoo"),  # a name of the zoo is a model argument
}
# library -> rooms that may import it; the others may not even inside a function
OWNERS = {
    "torch": {"importers", "zoo"},
    "transformers": {"zoo", "importers"},
    "islpy": {"poly"},
    "ortools": {"passes"},
}
# rooms that must not need numpy and its like to be imported
LIGHT = {"errors", "dialects", "machine", "pipeline", "driver", "passes"}
HEAVY = {"numpy", "ml_dtypes", "scipy", "ortools", "torch", "transformers", "rich", "islpy"}


@dataclass(frozen=True)
class Import:
    """``module`` is imported by ``file`` of ``room``; ``lazy`` if inside a function."""

    room: str
    file: Path
    line: int
    module: str
    lazy: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {self.room} imports {self.module}"


def imports_of(file: Path, room: str) -> Iterator[Import]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = f"polystage.{room}.{node.module or ''}".rstrip(".") if node.level else node.module
            names = [f"{source}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(room, file, node.lineno, name, id(node) in lazy)


def all_imports() -> list[Import]:
    found: list[Import] = []
    for file in sorted(PACKAGE.rglob("*.py")) + sorted((PACKAGE / "dialects").resolve().rglob("*.py")):
        inside = file.is_relative_to(PACKAGE)
        if inside and "dialects" in file.relative_to(PACKAGE).parts:
            continue
        stem = file.relative_to(PACKAGE).parts[0].removesuffix(".py") if inside else "dialects"
        room = ROOMS.get(stem, stem)
        found += imports_of(file, room)
    return found


IMPORTS = all_imports()


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return ROOMS.get(parts[1], parts[1]) if parts[0] == "polystage" and len(parts) > 1 else None


def test_every_room_has_a_floor():
    rooms = {item.room for item in IMPORTS} - {"__init__"}
    assert rooms <= set(FLOOR_OF), rooms - set(FLOOR_OF)


def test_imports_point_down():
    wrong = [str(item) for item in IMPORTS if not _points_down(item)]
    assert wrong == []


def _points_down(item: Import) -> bool:
    target = room_of(item.module)
    if target is None or target == item.room or item.room == "__init__":
        return True
    return FLOOR_OF[target] < FLOOR_OF[item.room] or (item.room, target) in NEIGHBOURS


def test_rooms_form_no_circle():
    below: dict[str, set[str]] = {}
    for item in IMPORTS:
        target = room_of(item.module)
        if target and target != item.room:
            below.setdefault(item.room, set()).add(target)
    tuple(TopologicalSorter(below).static_order())


@pytest.mark.parametrize("library", OWNERS)
def test_library_stays_with_its_owners(library: str):
    wrong = [str(item) for item in IMPORTS if item.module.split(".")[0] == library and item.room not in OWNERS[library]]
    assert wrong == []


def test_light_rooms_import_nothing_heavy_at_once():
    wrong = [
        str(item) for item in IMPORTS if item.room in LIGHT and not item.lazy and item.module.split(".")[0] in HEAVY
    ]
    assert wrong == []


def test_the_reader_of_imports_reads(tmp_path: Path):
    file = tmp_path / "sample.py"
    file.write_text(
        "import numpy as np\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import torch\n"
        "def f():\n    from polystage.passes import stage\n"
    )
    found = [(item.module, item.lazy) for item in imports_of(file, "poly")]
    assert found == [("numpy", False), ("typing.TYPE_CHECKING", False), ("polystage.passes.stage", True)]


def test_parts_of_passes_import_no_pass():
    """``passes/x.py`` are passes; ``passes/folder/`` are parts of them, ``passes/nests/`` under all the others."""
    folders = {folder.name for folder in (PACKAGE / "passes").iterdir() if folder.is_dir()}
    wrong: list[str] = []
    for item in IMPORTS:
        folder, parts = item.file.parent.name, item.module.split(".")
        if folder in folders and item.file.parents[1].name == "passes" and parts[:2] == ["polystage", "passes"]:
            allowed = {"nests"} if folder == "nests" else folders
            wrong += [str(item)] if parts[2] not in allowed else []
    assert wrong == []
