"""The import rules of docs/architecture.md, read from the sources themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = (
    ("__main__",),
    ("cli",),
    ("desktop",),
    ("checks",),
    ("app",),
    ("web",),
    ("api",),
    ("desk",),
    ("replies",),
    ("transfer",),
    ("claude",),
    ("render",),
    ("plugins",),
    ("store",),
    ("extensions", "keystore", "logs", "marks"),
    ("hookspecs", "config"),
    ("paths",),
    ("errors", "types", "wording"),
)
"""From left to right: a module imports from layers to its right, and from its own folder."""
RANK = {name: place for place, names in enumerate(LAYERS) for name in names}
ONLY_HERE = {
    "anthropic": ("claudedesk/claude/client.py",),
    "httpx2": ("claudedesk/claude/",),
    "httpcore2": ("claudedesk/claude/",),
    "webview": ("claudedesk/desktop/",),
    "keyring": ("claudedesk/keystore.py",),
    "sqlalchemy": ("claudedesk/store/",),
    "alembic": ("claudedesk/store/",),
    "genai_prices": ("claudedesk/claude/",),
    "markdown_it": ("claudedesk/render/",),
    "nh3": ("claudedesk/render/",),
    "pygments": ("claudedesk/render/",),
    "waitress": ("claudedesk/desktop/",),
}
FILES = sorted([*(ROOT / "claudedesk").rglob("*.py"), *(ROOT / "blueprints").rglob("*.py")])


def imports(path: Path) -> Iterator[str]:
    """Yield the full names that a file imports, those for type checkers left out."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            skipped.update(inner for child in node.body for inner in ast.walk(child))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names)


def layer_of(name: str) -> str | None:
    """Return the layer that a name of ours belongs to; None for other packages and the package itself."""
    parts = name.split(".")
    if parts[0] != "claudedesk" or len(parts) < 2:
        return None
    return parts[1] if parts[1] in RANK else None


def name_of(path: Path) -> str:
    """Return a file's name as a reader knows it."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_imports_from_its_right_only(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] != "claudedesk" or parts[1] == "__init__":
        return
    own = RANK[parts[1]]
    for name in imports(path):
        layer = layer_of(name)
        if layer is not None and layer != parts[1]:
            assert RANK[layer] > own, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", [p for p in FILES if "blueprints" in name_of(p)], ids=name_of)
def test_a_blueprint_imports_the_stdlib_flask_and_the_api_only(path: Path) -> None:
    own = "blueprints." + path.relative_to(ROOT / "blueprints").parts[0].removesuffix(".py")
    for name in imports(path):
        top = name.split(".")[0]
        allowed = (
            name.startswith("claudedesk.api.")
            or name.startswith(own + ".")
            or top in ("flask", "markupsafe")
            or top in sys.stdlib_module_names
        )
        assert allowed, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_library_has_one_door(path: Path) -> None:
    for name in imports(path):
        places = ONLY_HERE.get(name.split(".")[0])
        assert places is None or name_of(path).startswith(places), f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", [p for p in FILES if "claudedesk" in name_of(p)], ids=name_of)
def test_core_never_imports_blueprints(path: Path) -> None:
    assert not any(name.split(".")[0] == "blueprints" for name in imports(path))


def test_every_module_says_in_one_line_what_it_is_for() -> None:
    for path in FILES:
        if path.parent.name != "versions":
            assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), f"{name_of(path)} has no docstring"


def test_making_the_app_imports_neither_the_sdk_nor_the_keyring_nor_a_renderer(tmp_path: Path) -> None:
    """P-10: what is not needed for the first paint comes later."""
    late = "anthropic httpx2 keyring markdown_it pygments nh3 math_core sqlalchemy.orm alembic genai_prices webview"
    script = f"""
import sys
from claudedesk import config
from claudedesk.app import create_app
made = config.load({{"CLAUDEDESK_HOME": {str(tmp_path)!r}}})
create_app(made)
print([name for name in {late.split()!r} if name in sys.modules])
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert told.stdout.strip() == "[]"


def test_importing_a_module_touches_nothing(tmp_path: Path) -> None:
    """Importing every module writes no file below an empty home and reads no environment of ours."""
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in FILES]
    names = [n for n in names if "migrations" not in n and not n.endswith("__main__")]
    script = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    environment = {"HOME": str(tmp_path), "CLAUDEDESK_HOME": str(tmp_path / "none"), "PATH": "/usr/bin"}
    subprocess.run([sys.executable, "-B", "-c", script], cwd=ROOT, env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_no_folder_of_the_tests_shadows_a_package() -> None:
    assert not (ROOT / "packaging" / "__init__.py").exists()
    assert not any((ROOT / "tests" / name).exists() for name in ("blueprints", "packaging"))
