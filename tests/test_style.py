"""The tools agree: types, lint, layout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ["claudedesk", "blueprints", "tests", "docs", "run.py"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["mypy"], ["ruff", "check", *SOURCES], ["ruff", "format", "--check", *SOURCES]], ids=" ".join
)
def test_a_tool_finds_nothing(command: list[str]) -> None:
    told = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout[-3_000:] + told.stderr[-1_000:]
