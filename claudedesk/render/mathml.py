"""TeX to MathML through math-core; what it is given and what it gives are checked."""

from __future__ import annotations

import functools
import logging
import re
import threading
from typing import Any, Final

log = logging.getLogger(__name__)

MAX_TEX: Final = 4_000
MAX_DEPTH: Final = 40
MAX_COMMANDS: Final = 150
"""What math-core is given. It recurses without a limit: 120 nested fractions crash a 256 kB stack."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAG = re.compile(r"<(/?)([a-z]+)((?: [a-z]+=\"[^\"<>]*\")*)(/?)>")
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"<>]*)"')
_ELEMENTS = _words(
    """
    math menclose mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow mspace
    msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none
    """
)
_ATTRIBUTES = _words(
    """
    accent accentunder columnalign columnlines columnspacing depth display displaystyle fence form
    framespacing height largeop linethickness lspace mathvariant maxsize minsize movablelimits notation
    rowlines rowspacing rspace scriptlevel separator stretchy style symmetric voffset width
    """
)
_PROPERTY = re.compile(
    r"(?:color|background-color|text-align|justify-items|font-weight|font-style|text-transform|width"
    r"|(?:padding|margin|border)-(?:left|right|top|bottom)|border|math-(?:depth|style|shift))"
    r":[ \w.%#-]*"
)
_MACROS = re.compile(r"\\(?:(?:re|provide)?newcommand|[gex]?def|let|newenvironment)(?![a-zA-Z])|(?<!\\)%")
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_GROUP = re.compile(r"\\(?:left|begin)(?![a-zA-Z])|\\(?:right|end)(?![a-zA-Z])|\\.|[{}]", re.DOTALL)
_NO_ARGUMENT = _words(
    """
    alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau
    upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega cdot times div
    pm mp le leq ge geq ne neq approx equiv sim to infty partial nabla in notin subset subseteq cup cap
    forall exists sum prod int oint lim sin cos tan log ln exp max min det quad qquad dots ldots cdots
    vdots ddots rightarrow leftarrow Rightarrow implies iff mapsto mid left right begin end hline ell
    hbar displaystyle
    """
)
_HUGE = re.compile(r'[" :](?:-?\d{3,})(?:\.\d+)?(?:em|ex|mu|px|pt|cm|mm|in)')
_SHIFT = re.compile(r'(?:[": ]-|voffset="-?)(\d+(?:\.\d+)?)')

_lock = threading.Lock()
_converter: Any = None


def _load() -> Any:
    """Return the converter, or False without math-core (it is optional). Called under the lock."""
    global _converter
    if _converter is None:
        try:
            from math_core import LatexToMathML

            # The commands that are macros inside math-core (`\pmod`, `\textcolor`) need a few expansions.
            _converter = LatexToMathML(pretty_print="never", fancy_error=False, max_expansions=40)
        except ImportError:
            log.info("math-core is not installed; formulas are shown as TeX")
            _converter = False
    return _converter


def mathml(tex: str, display: bool) -> str | None:
    """Return MathML for `tex`, or None when math-core cannot draw it or when it would not be safe to try."""
    tex = tex.strip()
    if len(tex) > MAX_TEX or _MACROS.search(tex) or _too_deep(tex):
        return None
    return _convert(tex, display)


@functools.lru_cache(maxsize=1024)
def _convert(tex: str, display: bool) -> str | None:
    with _lock:
        converter = _load()
        if not converter:
            return None
        try:
            html: str = converter.convert_with_local_state(tex, displaystyle=display)
        except Exception as error:  # LatexError, and whatever a young library may raise besides
            log.debug("math-core refused a formula: %s", type(error).__name__)
            return None
    return _checked(html)


def _too_deep(tex: str) -> bool:
    """Say whether math-core might recurse too deep: bounds on nesting and on commands that nest unbraced."""
    depth = 0
    for match in _GROUP.finditer(tex):
        if match[0] in ("{", "\\left", "\\begin"):
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif match[0] in ("}", "\\right", "\\end"):
            depth = max(0, depth - 1)
    # `\sqrt\sqrt x` and `\frac1\frac1 x` nest without a brace, so each command with an argument counts.
    return sum(match[0][1:] not in _NO_ARGUMENT for match in _COMMAND.finditer(tex)) > MAX_COMMANDS


def _checked(html: str) -> str | None:
    """Let through only MathML as we know it: a second wall, since maths does not pass nh3."""
    text = _TAG.sub("", html)
    if len(html) > 200_000 or "<" in text or ">" in text or _HUGE.search(html):
        return None
    if sum(float(size) for size in _SHIFT.findall(html)) > 8:  # many small steps back could cover other text
        return None
    if any(match[2] not in _ELEMENTS for match in _TAG.finditer(html)):
        return None
    return _TAG.sub(_checked_tag, html)


def _checked_tag(match: re.Match[str]) -> str:
    kept = "".join(
        f' {name}="{value}"'
        for name, value in _ATTRIBUTE.findall(match[3])
        if name in _ATTRIBUTES and (name != "style" or _plain_style(value))
    )
    return f"<{match[1]}{match[2]}{kept}{match[4]}>"


def _plain_style(value: str) -> bool:
    return all(_PROPERTY.fullmatch(part.strip()) for part in value.split(";") if part.strip())
