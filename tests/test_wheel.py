"""The wheel: it holds every file of the two packages, all metadata of setup.cfg, and nothing else."""

from __future__ import annotations

import configparser
import email
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from email.message import Message
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement

import claudedesk

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("claudedesk", "blueprints")
BLUEPRINTS = ("chat", "history", "settings", "usage")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the project, so that leftovers of an earlier build neither help nor stay behind."""
    copy = tmp_path_factory.mktemp("wheel") / "copy"
    shutil.copytree(ROOT, copy, ignore=leftovers)
    return copy


def leftovers(folder: str, names: list[str]) -> set[str]:
    """Name what is in a folder of the project and not of it."""
    found = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "*.pyc")(folder, names)
    return found | {"build", "dist"} if Path(folder) in (ROOT, ROOT / "packaging") else found


@pytest.fixture(scope="module")
def wheel(tree: Path) -> Iterator[zipfile.ZipFile]:
    """Build the wheel, with the setuptools that the test extra installed: no network."""
    out = tree.parent
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=out)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    with zipfile.ZipFile(built) as opened:
        yield opened


@pytest.fixture(scope="module")
def files(wheel: zipfile.ZipFile) -> set[str]:
    """Every file in the wheel but its metadata."""
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def about(wheel: zipfile.ZipFile) -> Message:
    """The wheel's metadata."""
    return email.message_from_bytes(wheel.read(inside(wheel, "METADATA")))


def inside(wheel: zipfile.ZipFile, name: str) -> str:
    (found,) = [entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}")]
    return found


@pytest.fixture(scope="module")
def sources(tree: Path) -> set[str]:
    """Every file of the two packages in the project."""
    found = [path for package in PACKAGES for path in (tree / package).rglob("*") if path.is_file()]
    return {path.relative_to(tree).as_posix() for path in found}


def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_it_holds_exactly_the_files_of_the_two_packages(files: set[str], sources: set[str]) -> None:
    assert len(sources) > 30
    assert sorted(sources - files) == [], "missing: no __init__.py, or package_data does not name it"
    assert sorted(files - sources) == [], "not ours, or a leftover"


def test_the_parts_that_a_wheel_is_known_to_lose_are_there(files: set[str]) -> None:
    kinds = Counter(PurePosixPath(name).suffix for name in files if name.startswith("claudedesk/"))
    assert kinds[".html"] and kinds[".css"] and kinds[".js"], kinds
    assert [name for name in files if name.startswith("claudedesk/store/migrations/")]
    for blueprint in BLUEPRINTS:
        assert f"blueprints/{blueprint}/__init__.py" in files
        assert [name for name in files if name.startswith(f"blueprints/{blueprint}/templates/")], blueprint


def test_it_holds_no_tests_tools_or_other_peoples_code(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {*PACKAGES, f"claudedesk-{claudedesk.__version__}.dist-info"}
    assert [name for name in wheel.namelist() if ".min." in name] == []


def test_it_asks_for_every_dependency_of_setup_cfg(about: Message) -> None:
    wanted = {Requirement(line) for line in settings()["options"]["install_requires"].splitlines() if line}
    got = {Requirement(line) for line in about.get_all("Requires-Dist", [])}
    assert wanted and wanted == {item for item in got if "extra" not in str(item.marker)}


def test_its_extras_ask_for_every_dependency_of_setup_cfg(about: Message) -> None:
    extras = settings()["options.extras_require"]
    assert about.get_all("Provides-Extra") == list(extras)
    got = [Requirement(line) for line in about.get_all("Requires-Dist", [])]
    for extra, block in extras.items():
        wanted = {line.split(";")[0] for line in block.splitlines() if line}
        mine = {str(item).split(";")[0].strip() for item in got if f'extra == "{extra}"' in str(item.marker)}
        assert wanted and {str(Requirement(line)) for line in wanted} == mine


def test_its_metadata_are_whole(about: Message) -> None:
    metadata = settings()["metadata"]
    assert about["Name"] == "claudedesk"
    assert about["Version"] == claudedesk.__version__
    assert about["Summary"] == metadata["description"]
    assert about["License-Expression"] == metadata["license_expression"]
    assert about["Requires-Python"] == settings()["options"]["python_requires"]
    assert about["Author"] == metadata["author"]
    assert about.get_all("Classifier")
    assert "claudedesk" in str(about.get_payload())


def test_it_brings_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    entry_points = configparser.ConfigParser()
    entry_points.read_string(wheel.read(inside(wheel, "entry_points.txt")).decode())
    assert dict(entry_points["console_scripts"]) == {"claudedesk": "claudedesk.cli:main"}
    assert wheel.read(inside(wheel, "licenses/LICENSE")) == (ROOT / "LICENSE").read_bytes()


def test_the_version_stands_in_one_place_and_that_file_imports_nothing() -> None:
    text = (ROOT / "claudedesk" / "__init__.py").read_text(encoding="utf-8")
    assert "import " not in text.replace("imports nothing", "")
    for other in ("setup.cfg", "pyproject.toml"):
        assert f'"{claudedesk.__version__}"' not in (ROOT / other).read_text(encoding="utf-8")
