"""constraints.txt against setup.cfg, and the installed packages against constraints.txt."""

from __future__ import annotations

import configparser
import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"[a-z0-9-]+==[0-9][0-9a-z.+!]*( ; .+)?")
# A tool for one accelerator weighs gigabytes; none of these has any business in a chat client.
FAR_TOO_LARGE = re.compile(r"torch|jax|tensorflow|nvidia|cuda|triton|numpy|scipy")


def lines() -> list[str]:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def pins() -> dict[str, list[Requirement]]:
    """Return the pins by name; a name has several where they differ by platform or Python."""
    found: dict[str, list[Requirement]] = {}
    for line in filter(PIN.fullmatch, lines()):
        pin = Requirement(line)
        found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


def version_here(name: str) -> str | None:
    """Return the version that constraints.txt gives to a package on this platform and Python."""
    here = [pin for pin in pins().get(name, []) if not pin.marker or pin.marker.evaluate()]
    assert len(here) < 2, f"{name} has two versions here"
    return next(iter(here[0].specifier)).version if here else None


def asked_for() -> list[Requirement]:
    """Return what setup.cfg asks for, in the core and in every extra."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    blocks = [settings["options"]["install_requires"], *settings["options.extras_require"].values()]
    return [Requirement(line) for block in blocks for line in block.splitlines() if line]


def test_constraints_hold_nothing_but_pins_and_no_address() -> None:
    assert len(lines()) > 50
    assert [line for line in lines() if not PIN.fullmatch(line)] == []
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|^-|file:|@|\bindex\b", text, re.MULTILINE)
    assert not [name for name in pins() if FAR_TOO_LARGE.search(name)]


@pytest.mark.parametrize("wanted", asked_for(), ids=lambda wanted: wanted.name)
def test_every_dependency_has_pins_within_its_range(wanted: Requirement) -> None:
    pinned = pins().get(canonicalize_name(wanted.name))
    assert pinned, f"{wanted.name} is not pinned: make constraints.txt anew, as its head says"
    for pin in pinned:
        assert wanted.specifier.contains(next(iter(pin.specifier)).version)


def test_every_dependency_has_a_floor() -> None:
    assert len(asked_for()) > 30
    assert [str(wanted) for wanted in asked_for() if ">=" not in str(wanted.specifier)] == []


def test_installed_packages_are_the_pinned_ones() -> None:
    installed = {
        canonicalize_name(found.metadata["Name"]): found.version for found in metadata.distributions()
    }
    # pip comes with Python's venv, and nothing asks for it but a development tool.
    compared = {name: version for name, version in installed.items() if name in pins() and name != "pip"}
    assert len(compared) > 30
    assert {n: v for n, v in compared.items() if version_here(n) not in (None, v)} == {}


def test_everything_that_comes_along_is_pinned_too() -> None:
    """Walk from setup.cfg through what is installed: what escapes the lock is a surprise for some user."""
    pending = [(canonicalize_name(wanted.name), frozenset(wanted.extras)) for wanted in asked_for()]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        item = pending.pop()
        if item in seen:
            continue
        seen.add(item)
        name, extras = item
        assert name in pins(), f"{name} is not in constraints.txt"
        pending += come_along(name, extras)
    assert len(seen) > 60


def come_along(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    """Return what a package asks for on this platform with these extras; nothing if it is not installed."""
    try:
        required = [Requirement(text) for text in metadata.requires(name) or []]
    except metadata.PackageNotFoundError:
        return []
    applies = [
        needed
        for needed in required
        if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]
    return [(canonicalize_name(needed.name), frozenset(needed.extras)) for needed in applies]


def test_the_pins_are_real_versions() -> None:
    for pinned in pins().values():
        for pin in pinned:
            assert not Version(next(iter(pin.specifier)).version).is_prerelease, pin
