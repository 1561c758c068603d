"""Static files: types that no registry can spoil, and an address that changes when one of them does."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path
from typing import Final

from flask import Flask

TYPES: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
"""Windows' registry may say that .js is text/plain, and then no module loads."""


def address(folder: Path) -> str:
    """Return `/static/<digest of all files>`: a page's forty small files are then asked for once, not at every load."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder).as_posix()}\0".encode() + file.read_bytes())
    return f"/static/{digest.hexdigest()[:16]}"


def install(app: Flask) -> None:
    """Fix the types; give templates `static("icons.svg")`, which needs no request (events render without one)."""
    for ending, kind in TYPES.items():
        mimetypes.add_type(kind, ending)
    app.add_template_global(lambda name: f"{app.static_url_path}/{name}", "static")
