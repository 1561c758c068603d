"""A page gets no road into Python, and no program is started through a shell: read from the sources themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*(ROOT / "claudedesk").rglob("*.py"), *(ROOT / "blueprints").rglob("*.py")])
SHELLS = ("system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell")


def bridges(source: str) -> Iterator[str]:
    """Yield each call that would give a page's script something of Python to call (pywebview's js_api, expose)."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        for given in node.keywords:
            nothing = isinstance(given.value, ast.Constant) and given.value.value is None
            if given.arg == "js_api" and not nothing:
                yield f"line {node.lineno}: js_api="
        if isinstance(node.func, ast.Attribute) and node.func.attr == "expose":
            yield f"line {node.lineno}: .expose("


def shells(source: str) -> Iterator[str]:
    """Yield each call that a shell would read: `shell=` anything but False, os.system and their like."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        for given in node.keywords:
            plain = isinstance(given.value, ast.Constant) and not given.value.value
            if given.arg == "shell" and not plain:
                yield f"line {node.lineno}: shell="
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in SHELLS and _of_a_module(node.func):
            yield f"line {node.lineno}: {name}("


def _of_a_module(func: ast.expr) -> bool:
    """Tell `os.system()` and a bare `system()` from `platform.system()`, which starts nothing."""
    owner = getattr(getattr(func, "value", None), "id", "os")
    return owner in ("os", "subprocess", "asyncio")


def test_there_are_sources_to_read() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in FILES}
    assert {"claudedesk/app.py", "blueprints/chat/routes.py"} <= names and len(FILES) > 60


def test_no_window_gives_its_page_a_road_into_python() -> None:
    """SEC-14"""
    found = {path.relative_to(ROOT).as_posix(): list(bridges(path.read_text("utf-8"))) for path in FILES}
    assert not {path: lines for path, lines in found.items() if lines}


def test_no_program_is_started_through_a_shell() -> None:
    """SEC-14"""
    found = {path.relative_to(ROOT).as_posix(): list(shells(path.read_text("utf-8"))) for path in FILES}
    assert not {path: lines for path, lines in found.items() if lines}


@pytest.mark.parametrize(
    "bad",
    [
        "webview.create_window('x', url, js_api=Api())",
        "webview.create_window(\n    'x',\n    js_api=self,\n)",
        "window.expose(save)",
        "get_window().expose(a, b)",
        "def f():\n    with x:\n        self.window.expose(*all_of_them)",
    ],
)
def test_the_check_finds_a_bridge(bad: str) -> None:
    """SEC-14"""
    assert len(list(bridges(bad))) == 1


@pytest.mark.parametrize(
    "good", ["create_window('x', js_api=None)", "create_window('x')", "expose = 'js_api'"]
)
def test_the_check_lets_the_rest_pass(good: str) -> None:
    """SEC-14"""
    assert list(bridges(good)) == []


@pytest.mark.parametrize(
    "bad",
    [
        "subprocess.run('ls ' + name, shell=True)",
        "Popen(line, shell=1)",
        "subprocess.check_output(line, shell=wanted)",
        "os.system(line)",
        "os.popen(line)",
        "subprocess.getoutput(line)",
    ],
)
def test_the_check_finds_a_shell(bad: str) -> None:
    """SEC-14"""
    assert len(list(shells(bad))) == 1


@pytest.mark.parametrize("good", ["run(['ls'])", "run(['ls'], shell=False)", "platform.system()"])
def test_the_check_lets_plain_programs_pass(good: str) -> None:
    """SEC-14"""
    assert list(shells(good)) == []
