"""run.py: its decisions, with the installing replaced, and real set-ups of a tiny project."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "run.py"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Modules that run.py may import: all are in the standard library since Python 3.6.
OLD_ENOUGH = {
    "contextlib", "fcntl", "hashlib", "importlib.util", "json", "msvcrt", "os", "shutil", "signal",
    "subprocess", "sys", "sysconfig", "time",
}  # fmt: skip


def real(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that makes venvs, which takes seconds, and more on a busy machine."""
    return pytest.mark.slow(pytest.mark.timeout(300)(test))


posix_only = pytest.mark.skipif(
    os.name == "nt", reason="Windows knows no signals, and there an orphaned pip does not hold the lock"
)


# ---- what an old Python sees


def test_an_old_python_can_parse_run_py() -> None:
    ast.parse(RUN.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_run_py_imports_only_what_an_old_python_has() -> None:
    source = RUN.read_text(encoding="utf-8")
    executed = [
        node for node in ast.parse(source).body if not ast.unparse(node).startswith("if TYPE_CHECKING")
    ]
    parts = [part for node in executed for part in ast.walk(node)]
    assert not any(isinstance(part, ast.ImportFrom) for part in parts)
    imported = {name.name for part in parts if isinstance(part, ast.Import) for name in part.names}
    assert imported and imported <= OLD_ENOUGH


def test_every_type_hint_is_a_string_or_a_plain_name() -> None:
    """Anything else is evaluated, and `list[str]` fails on Python 3.6 before the version is looked at."""
    for node in ast.walk(ast.parse(RUN.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            hints = [node.returns, *(argument.annotation for argument in node.args.args)]
            assert all(isinstance(hint, (ast.Constant, ast.Name)) for hint in hints), node.name


def test_an_old_python_gets_a_sentence(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert run.main(["--version"]) == 1
    message = capsys.readouterr().err
    assert "needs Python 3.11 or newer, and this is Python 3.10" in message
    assert "python.org" in message
    assert not Path(run.VENV).exists()


def test_an_old_python_names_a_newer_one_that_is_there(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name if name in ("python3.12", "python3.11") else None)
    assert run.old_python().endswith("start with: python3.12 run.py")


def test_the_oldest_python_is_the_one_that_setup_cfg_names() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    oldest = load(ROOT).OLDEST
    assert settings["options"]["python_requires"] == ">={}.{}".format(*oldest)
    assert settings["mypy"]["python_version"] == "{}.{}".format(*oldest)


# ---- the command line


@pytest.mark.parametrize(
    ("given", "extras", "command"),
    [
        ([], set(), ["-P", "-m", "claudedesk"]),
        (["ask", "test", "--with-window"], set(), ["-P", "-m", "claudedesk", "ask", "test", "--with-window"]),
        (["--with-window"], {"window"}, ["-P", "-m", "claudedesk"]),
        (["--with-window", "serve"], {"window"}, ["-P", "-m", "claudedesk", "serve"]),
        (["test", "-x"], {"test"}, ["-m", "pytest", "-n", "2", "--dist", "loadgroup", "-x"]),
        (["--with-window", "test"], {"window", "test"}, ["-m", "pytest", "-n", "2", "--dist", "loadgroup"]),
    ],
)
def test_a_command_line_becomes_extras_and_a_command(
    run: ModuleType, given: list[str], extras: set[str], command: list[str]
) -> None:
    assert run.plan(given) == (extras, command)


@pytest.mark.parametrize("given", [["-n", "4"], ["-n0"], ["tests/test_run.py::test_x"], ["--pdb"]])
def test_tests_run_in_one_process_when_the_user_chose_so(run: ModuleType, given: list[str]) -> None:
    assert run.pytest_arguments(given) == given


def test_the_tests_start_in_the_folder_of_the_project(run: ModuleType) -> None:
    run.plan(["test"])
    assert Path.cwd() == Path(run.ROOT)


# ---- when it installs


def test_the_first_start_makes_a_venv_installs_and_hands_over(run: ModuleType, steps: Steps) -> None:
    assert run.main(["doctor"]) == 0
    assert [step.split()[0] for step in steps.done] == ["venv", "pip"]
    assert steps.done[1].endswith("-c constraints.txt -e .")
    assert steps.started == [["-P", "-m", "claudedesk", "doctor"]]


def test_the_second_start_installs_nothing(run: ModuleType, steps: Steps) -> None:
    run.main([])
    steps.done.clear()
    assert run.main([]) == 0
    assert steps.done == []


def test_tests_add_their_extra_and_a_plain_start_then_keeps_it(run: ModuleType, steps: Steps) -> None:
    run.main([])
    run.main(["test"])
    assert steps.done[-1].endswith("-e .[test]")
    steps.done.clear()
    run.main([])
    run.main(["test"])
    assert steps.done == []


def test_an_extra_that_is_there_is_kept_up_to_date_with_the_rest(run: ModuleType, steps: Steps) -> None:
    run.main(["--with-window"])
    run.main(["test"])
    assert steps.done[-1].endswith("-e .[test,window]")


@pytest.mark.parametrize("name", ["setup.cfg", "pyproject.toml", "constraints.txt"])
def test_a_changed_list_of_packages_is_installed_into_the_same_venv(
    run: ModuleType, steps: Steps, name: str
) -> None:
    run.main(["test"])
    steps.done.clear()
    with Path(run.ROOT, name).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    run.main([])
    assert [step.split()[0] for step in steps.done] == ["pip"]
    assert steps.done[0].endswith("-e .[test]")


def test_another_python_makes_the_venv_anew(
    run: ModuleType, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.main([])
    steps.done.clear()
    monkeypatch.setattr(sys, "version_info", (3, 99, 0, "final", 0))
    steps.version = "3.99"
    run.main([])
    assert [step.split()[0] for step in steps.done] == ["venv", "pip"]


def test_a_venv_whose_python_is_gone_is_made_anew(run: ModuleType, steps: Steps) -> None:
    run.main([])
    steps.done.clear()
    steps.version = ""
    run.main([])
    assert [step.split()[0] for step in steps.done] == ["venv", "pip"]


def test_an_interrupted_set_up_is_done_again_from_the_start(
    run: ModuleType, steps: Steps, capsys: pytest.CaptureFixture[str]
) -> None:
    steps.fail_with = KeyboardInterrupt()
    assert run.main([]) == 130
    assert "The next start begins it again" in capsys.readouterr().err
    Path(run.VENV, "half-installed").touch()
    steps.fail_with, steps.done = None, []
    assert run.main([]) == 0
    assert [step.split()[0] for step in steps.done] == ["venv", "pip"]
    assert not Path(run.VENV, "half-installed").exists()


def test_an_interrupted_update_is_done_again_from_the_start(run: ModuleType, steps: Steps) -> None:
    run.main(["test"])
    Path(run.ROOT, "setup.cfg").write_text("[metadata]\n# changed\n", encoding="utf-8")
    steps.fail_with = KeyboardInterrupt()
    run.main([])
    steps.fail_with, steps.done = None, []
    run.main([])
    assert [step.split()[0] for step in steps.done] == ["venv", "pip"]
    assert steps.done[1].endswith("-e .[test]"), "what was there before is there again"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state": "ready"}', "\udcff"])
def test_a_damaged_stamp_counts_as_none(run: ModuleType, text: str) -> None:
    Path(run.VENV).mkdir()
    Path(run.STAMP).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert run.read_stamp() == {}


def test_a_venv_that_never_works_ends_in_a_sentence_and_no_loop(
    run: ModuleType, steps: Steps, capsys: pytest.CaptureFixture[str]
) -> None:
    steps.works = False
    assert run.main([]) == 1
    assert "does not work. Delete it and start again" in capsys.readouterr().err
    assert len(steps.done) == 2


# ---- a .venv that another tool made


def test_a_good_venv_of_another_tool_is_installed_into(run: ModuleType, steps: Steps) -> None:
    steps.make_foreign_venv()
    assert run.main([]) == 0
    assert [step.split()[0] for step in steps.done] == ["pip"]
    assert Path(run.VENV, "pyvenv.cfg").exists()


def test_a_venv_of_another_tool_without_pip_gets_it(run: ModuleType, steps: Steps) -> None:
    steps.make_foreign_venv()
    steps.pip = False
    assert run.main([]) == 0
    assert [step.split()[0] for step in steps.done] == ["ensurepip", "pip"]


def test_a_venv_of_another_tool_and_another_python_is_left_alone(
    run: ModuleType, steps: Steps, capsys: pytest.CaptureFixture[str]
) -> None:
    steps.make_foreign_venv()
    steps.version = "3.8"
    assert run.main([]) == 1
    assert f"is for Python 3.8; this is Python {PYTHON}. Rename or delete" in capsys.readouterr().err
    assert steps.done == []
    assert Path(run.VENV, "pyvenv.cfg").exists()


def test_a_dead_venv_of_another_tool_is_made_anew(run: ModuleType, steps: Steps) -> None:
    steps.make_foreign_venv()
    steps.version = ""
    assert run.main([]) == 0
    assert [step.split()[0] for step in steps.done] == ["venv", "pip"]


def test_a_folder_that_is_no_venv_is_left_alone(
    run: ModuleType, steps: Steps, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(run.VENV).mkdir()
    Path(run.VENV, "thesis.txt").write_text("mine", encoding="utf-8")
    steps.version = ""
    assert run.main([]) == 1
    assert "is no virtual environment" in capsys.readouterr().err
    assert Path(run.VENV, "thesis.txt").read_text(encoding="utf-8") == "mine"


# ---- what cannot go on says so in a sentence


@pytest.mark.parametrize("absent", ["ensurepip", "venv"])
def test_debian_without_its_venv_package_gets_its_name(
    run: ModuleType,
    steps: Steps,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    absent: str,
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else found(name))
    assert run.main([]) == 1
    assert f"sudo apt install python{PYTHON}-venv" in capsys.readouterr().err
    assert steps.done == []


def test_an_incomplete_download_is_named(run: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    Path(run.ROOT, "constraints.txt").unlink()
    Path(run.VENV).mkdir()
    assert run.main([]) == 1
    assert "constraints.txt is missing beside run.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "ERROR: Could not find a version that satisfies the requirement flask (from versions: none)",
            "network",
        ),
        ("Temporary failure in name resolution", "HTTPS_PROXY"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "PIP_CERT"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("error: command 'gcc' failed", "stands above"),
    ],
)
def test_a_failed_step_is_explained(run: ModuleType, output: str, words: str) -> None:
    assert words in run.explain("Installing", output)


def test_a_folder_that_cannot_be_written_is_named(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: str, exist_ok: bool) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "makedirs", refuse)
    assert run.main([]) == 1
    assert "Permission denied" in capsys.readouterr().err


# ---- handing over


def test_variables_that_tie_to_another_python_are_not_handed_on(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONHOME", "__PYVENV_LAUNCHER__", "PYTHONPATH", "PIP_CERT"):
        monkeypatch.setenv(name, "x")
    environment = run.child_environment()
    assert "PYTHONHOME" not in environment and "__PYVENV_LAUNCHER__" not in environment
    assert environment["PYTHONPATH"] == environment["PIP_CERT"] == "x"


def test_windows_waits_for_the_program_leaves_ctrl_c_to_it_and_returns_its_exit_code(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: list[object] = []
    monkeypatch.setattr(run, "WINDOWS", True)
    monkeypatch.setattr(run, "venv_python", lambda: sys.executable)
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.append((number, handler)))
    assert run.hand_over(["-c", "raise SystemExit(3)"]) == 3
    assert handlers == [(signal.SIGINT, signal.SIG_IGN)]


def test_a_second_start_waits_while_the_first_holds_the_lock(
    run: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(run.VENV).mkdir()
    order: list[str] = []

    def second() -> None:
        with run.one_at_a_time():
            order.append("second")

    with run.one_at_a_time():
        thread = threading.Thread(target=second)
        thread.start()
        while "waiting" not in capsys.readouterr().err:
            time.sleep(0.01)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


# ---- real set-ups: a real venv, a real pip, a project of a few lines, no network


@real
def test_a_first_start_works_from_any_folder_and_the_second_installs_nothing(project: Project) -> None:
    first = project.start("ask", "grüße", "--flag")
    assert first.returncode == 7, first.stderr
    answer = json.loads(first.stdout)
    assert answer["arguments"] == ["ask", "grüße", "--flag"]
    assert Path(answer["prefix"]) == project.folder / ".venv"
    assert Path(answer["cwd"]) == project.elsewhere
    second = project.start("ask")
    assert (second.returncode, second.stderr, project.installs) == (7, "", 1)
    tests = project.start("test", "-x")
    assert tests.returncode == 5, "the exit code is pytest's"
    assert json.loads(tests.stdout) == ["-n", "2", "--dist", "loadgroup", "-x"]
    assert project.start("ask").stderr == "" and project.installs == 2
    assert list(project.elsewhere.iterdir()) == []


@real
def test_a_moved_folder_is_set_up_again(project: Project) -> None:
    project.start()
    project.move("moved")
    again = project.start()
    assert again.returncode == 7 and "making .venv" in again.stderr
    assert Path(json.loads(again.stdout)["prefix"]) == project.folder / ".venv"


@real
def test_a_venv_that_lost_its_packages_gets_them_back(project: Project) -> None:
    project.start()
    for found in (project.folder / ".venv").rglob("claudedesk_here.pth"):
        found.unlink()
    assert project.start().returncode == 7
    assert project.installs == 2


@real
def test_what_pip_says_is_shown_when_it_fails_and_the_next_start_succeeds(project: Project) -> None:
    (project.folder / "broken").touch()
    failed = project.start()
    assert failed.returncode == 1 and failed.stdout == ""
    assert "broken on purpose" in failed.stderr
    assert failed.stderr.strip().endswith("Start again once it is put right.")
    (project.folder / "broken").unlink()
    assert project.start().returncode == 7


@real
def test_no_network_at_the_first_start_is_said_in_a_sentence(project: Project) -> None:
    with (project.folder / "requirements-of-the-build").open("w") as file:
        file.write("some-package")
    project.environment.update(PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="0")
    del project.environment["PIP_NO_INDEX"]
    failed = project.start()
    assert failed.returncode == 1
    assert "The first start needs the network" in failed.stderr.strip().splitlines()[-1]


@real
def test_two_first_starts_at_once_set_up_once(project: Project) -> None:
    first, second = project.begin(), project.begin()
    assert [project.end(start).returncode for start in (first, second)] == [7, 7]
    assert project.installs == 1


@real
@posix_only
def test_ctrl_c_ends_the_set_up_with_everything_that_it_started(project: Project) -> None:
    (project.folder / "hold").touch()
    started = project.begin()
    wait_until(lambda: project.installs == 1)
    builder = int((project.folder / "installs.log").read_text())
    started.send_signal(signal.SIGINT)
    ended = project.end(started)
    assert ended.returncode == 130
    assert ended.stderr.endswith("The set-up was stopped. The next start begins it again.\n")
    wait_until(lambda: not is_alive(builder))


@real
@posix_only
def test_a_killed_start_is_waited_for_and_then_done_again(project: Project) -> None:
    hold = project.folder / "hold"
    hold.touch()
    killed = project.begin()
    wait_until(lambda: project.installs == 1)
    killed.kill()
    killed.communicate()
    again = project.begin()
    assert again.stderr is not None
    assert "another start is setting up .venv" in again.stderr.readline()
    hold.unlink()
    assert project.end(again).returncode == 7
    assert project.installs == 2


# ---- what the tests above stand on


class Steps:
    """Stands in for everything that run.py starts: notes each step, and plays the .venv's Python."""

    def __init__(self, run: ModuleType) -> None:
        self.run = run
        self.done: list[str] = []
        self.started: list[list[str]] = []
        self.fail_with: BaseException | None = None
        self.version = PYTHON
        self.pip = True
        self.works = True

    def call(self, command: list[str], lock: int, step: str) -> None:
        self.done.append(" ".join(command[command.index("-m") + 1 :]))
        if self.fail_with:
            raise self.fail_with
        if "venv" in command:
            self.version = self.run.this_python()
            Path(self.run.VENV, "pyvenv.cfg").touch()

    def look_inside(self) -> tuple[str, bool, bool]:
        return self.version, self.pip, bool(self.version) and self.works

    def hand_over(self, command: list[str]) -> int:
        self.started.append(command)
        return 0

    def make_foreign_venv(self) -> None:
        Path(self.run.VENV).mkdir()
        Path(self.run.VENV, "pyvenv.cfg").touch()


class Project:
    """A tiny project with the real run.py, in a folder with a space and letters beyond ASCII."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.folder = base / "Über uns 項目"
        self.elsewhere = base / "elsewhere"
        self.elsewhere.mkdir()
        copy_project(self.folder)
        for name, text in TINY_PROJECT.items():
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_text(text, encoding="utf-8")
        foreign = ("PIP_", "PYTHON", "COV_")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        self.environment.update(PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull, PYTHONIOENCODING="utf-8")

    @property
    def installs(self) -> int:
        log = self.folder / "installs.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def move(self, name: str) -> None:
        self.folder = self.folder.rename(self.base / name)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(self.folder / "run.py"), *arguments],
            cwd=self.elsewhere,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def end(self, process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        out, err = process.communicate(timeout=250)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.end(self.begin(*arguments))


TINY_PROJECT = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "claudedesk/__init__.py": "",
    "claudedesk/__main__.py": """\
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "prefix": sys.prefix, "cwd": os.getcwd()}))
sys.exit(7)
""",
    "pytest.py": "import json, sys\nprint(json.dumps(sys.argv[1:]))\nsys.exit(5)\n",
    "backend.py": '''\
"""Builds an editable install without any package, counts the builds, and fails or waits when told to."""
import os, pathlib, time, zipfile
HERE = pathlib.Path(__file__).resolve().parent
INFO = "claudedesk-0.1.0.dist-info/"
METADATA = "Metadata-Version: 2.1\\nName: claudedesk\\nVersion: 0.1.0\\nProvides-Extra: test\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def get_requires_for_build_editable(config_settings=None):
    asked = HERE / "requirements-of-the-build"
    return asked.read_text().split() if asked.exists() else []

def prepare_metadata_for_build_editable(metadata_directory, config_settings=None):
    folder = pathlib.Path(metadata_directory, INFO)
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA)
    return folder.name

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    with (HERE / "installs.log").open("a") as log:
        log.write(str(os.getpid()) + "\\n")
    if (HERE / "broken").exists():
        raise RuntimeError("broken on purpose")
    while (HERE / "hold").exists():
        time.sleep(0.05)
    path = "import sys; sys.path.append(" + ascii(str(HERE)) + ")\\n"
    files = {"claudedesk_here.pth": path, INFO + "METADATA": METADATA, INFO + "WHEEL": WHEEL}
    files[INFO + "RECORD"] = "".join(name + ",,\\n" for name in [*files, INFO + "RECORD"])
    name = "claudedesk-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
    return name
''',
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """run.py, loaded from a folder of its own, so that its .venv is nobody else's."""
    copy_project(tmp_path / "project")
    monkeypatch.chdir(tmp_path)
    return load(tmp_path / "project")


@pytest.fixture
def steps(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Replace what run.py starts, so that its decisions can be watched."""
    stand_in = Steps(run)
    for name in ("call", "look_inside", "hand_over"):
        monkeypatch.setattr(run, name, getattr(stand_in, name))
    return stand_in


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project that can really be set up; whatever a failed test left waiting is let go."""
    made = Project(tmp_path)
    yield made
    (made.folder / "hold").unlink(missing_ok=True)


def copy_project(folder: Path) -> None:
    folder.mkdir()
    shutil.copy(RUN, folder)
    for name in load(ROOT).INPUTS:
        (folder / name).write_text("", encoding="utf-8")


def load(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("run_under_test", folder / "run.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
