import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "tools" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_project_pins_torch_exactly(bootstrap: ModuleType) -> None:
    assert bootstrap.torch_pin((ROOT / "pyproject.toml").read_bytes()) == "torch==2.13.0"


@pytest.mark.parametrize("requirement", ["torch", "torch>=2", "torchvision==1"])
def test_other_spellings_are_refused(bootstrap: ModuleType, requirement: str) -> None:
    with pytest.raises(SystemExit, match="must pin torch exactly once"):
        bootstrap.torch_pin(f'[project]\ndependencies = ["{requirement}"]\n'.encode())


def test_a_stamp_of_this_pyproject_skips_the_installation(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[Path] = []

    def install(directory: Path, _pyproject: bytes) -> None:
        installed.append(directory)

    monkeypatch.setattr(bootstrap, "install", install)
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", str(tmp_path)])
    bootstrap.main()
    bootstrap.main()
    assert installed == [tmp_path]
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    assert (tmp_path / bootstrap.STAMP).read_text() == digest
    (tmp_path / bootstrap.STAMP).write_text("another")
    bootstrap.main()
    assert installed == [tmp_path, tmp_path]
