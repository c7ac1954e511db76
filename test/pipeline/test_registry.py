import subprocess
import sys
from pathlib import Path

import pytest

from polystage.errors import UserError
from polystage.pipeline import Registry


def test_names_come_from_files(samples: Registry):
    assert list(samples) == ["break-ir", "claim-no-change", "count-loads", "divide-by-zero", "refuse-division"]
    assert samples["count-loads"].pass_name == "count-loads"
    assert samples.aliases["tidy"] == "canonicalize,cse"


def test_names_are_known_without_importing():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from polystage.pipeline import Registry\n"
        "samples = Registry('sample_passes'); assert 'count-loads' in samples\n"
        "assert 'sample_passes.count_loads' not in sys.modules\n"
        "samples['break-ir']\n"
        "assert 'sample_passes.count_loads' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, Path(__file__).parent], check=True)


def test_close_matches_cover_aliases(samples: Registry):
    assert samples.close_matches("tidy-and-cuont")[0] == "tidy-and-count"


def test_no_such_package():
    with pytest.raises(UserError, match="no package 'nowhere' of passes"):
        Registry("nowhere")


def test_later_package_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "more_passes"
    folder.mkdir()
    (folder / "_helper.py").write_text("")
    (folder / "break_ir.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    both = Registry("sample_passes", "more_passes")
    assert len(both) == 5
    with pytest.raises(TypeError, match=r"more_passes\.break_ir must define exactly one pass, has 0"):
        both["break-ir"]
