"""Static files: types that no registry can spoil, an ETag for each, asked again at every load."""

from __future__ import annotations

import mimetypes
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


def install(app: Flask) -> None:
    """Fix the types and let Flask serve `static/`."""
    for ending, kind in TYPES.items():
        mimetypes.add_type(kind, ending)
    app.config.setdefault("SEND_FILE_MAX_AGE_DEFAULT", None)
