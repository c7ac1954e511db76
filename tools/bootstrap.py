#!/usr/bin/env python3
"""Makes the private environment that the CMake presets use: ``bootstrap.py VENV``. Needs only Python's own library.

torch is installed first and alone, by the exact pin that pyproject.toml gives: that build is CPU-only, and no later
requirement can replace it. A stamp inside the environment keeps the hash of pyproject.toml: a second run does nothing.
"""

import hashlib
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "zoo,test,lint"
STAMP = "polystage-installed"


def torch_pin(pyproject: bytes) -> str:
    """The one requirement on torch in ``pyproject``, which has to be exact."""
    requirements: list[str] = tomllib.loads(pyproject.decode())["project"]["dependencies"]
    pins = [requirement for requirement in requirements if requirement.startswith("torch==")]
    if len(pins) != 1:
        raise SystemExit(f"bootstrap: error: pyproject.toml must pin torch exactly once, found {pins}")
    return pins[0]


def run(step: str, command: list[str]) -> None:
    """Announces and runs one command; its failure ends the script with its exit code."""
    print(f"-- {step}", flush=True)
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"bootstrap: error: {step} failed (exit {done.returncode}): {' '.join(command)}")


def install(directory: Path, pyproject: bytes) -> None:
    """Creates the environment and installs torch, then the project with all its extras, editable."""
    print(f"-- Making {directory} (once; later runs skip this)", flush=True)
    venv.create(directory, with_pip=True)
    pip = [str(directory / "bin" / "python"), "-m", "pip", "install"]
    pin = torch_pin(pyproject)
    run(f"Installing {pin}", [*pip, pin])
    run(f"Installing polystage with extras {EXTRAS}", [*pip, "-e", f".[{EXTRAS}]"])


def main() -> None:
    """Installs unless the stamp says that this pyproject.toml is installed already."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: bootstrap.py VENV")
    directory = Path(sys.argv[1])
    pyproject = (ROOT / "pyproject.toml").read_bytes()
    stamp, digest = directory / STAMP, hashlib.sha256(pyproject).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return
    install(directory, pyproject)
    stamp.write_text(digest)


if __name__ == "__main__":
    main()
