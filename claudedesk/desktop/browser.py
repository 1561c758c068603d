"""Open the app in the user's browser without a code in any argv that lives longer than the code (SEC-06)."""

from __future__ import annotations

import os
import secrets
import time
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Final

from claudedesk.paths import Paths, private_folder

FILE_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.1
LEFT_SECONDS: Final = 120.0
NO_BROWSER: Final = (
    "No browser was found on this computer. Run `claudedesk serve --url-file FILE`, "
    "and open the address that it writes there."
)
TEXT_BROWSERS: Final = frozenset({"www-browser", "links", "elinks", "lynx", "w3m"})


def system_browser(url: str) -> bool:
    """Open the URL in the desktop's browser; not in a text browser, which would take the terminal over."""
    try:
        if getattr(webbrowser.get(), "name", "") in TEXT_BROWSERS:
            return False
    except webbrowser.Error:
        return False
    return webbrowser.open(url)


def open_browser(
    paths: Paths,
    mint_url: Callable[[], str],
    was_entered: Callable[[str], bool],
    opener: Callable[[str], bool] = system_browser,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> str | None:
    """Open the app; return None, or a sentence for the user when there is no browser.

    `mint_url` gives an address with a fresh code, `was_entered` tells whether that address has been used. The
    browser gets a 0600 file that redirects. One that cannot read it (snap, flatpak) has not come after
    `FILE_SECONDS`; then it gets the address itself, whose code dies on first use and within a minute.
    """
    url = mint_url()
    file = _redirect_file(paths, url)
    try:
        if not opener(file.as_uri()):
            return NO_BROWSER
        deadline = monotonic() + FILE_SECONDS
        while monotonic() < deadline:
            if was_entered(url):
                return None
            sleep(POLL_SECONDS)
    finally:
        _remove(file)
    return None if was_entered(url) or opener(mint_url()) else NO_BROWSER


def _redirect_file(paths: Paths, url: str) -> Path:
    private_folder(paths.runtime)
    for left in paths.runtime.glob("open-*.html"):
        # From a start that was killed; a younger one belongs to a launch that is going on.
        if time.time() - left.stat().st_mtime > LEFT_SECONDS:
            _remove(left)
    file = paths.runtime / f"open-{secrets.token_hex(8)}.html"
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as page:
        page.write(
            '<!doctype html><meta charset="utf-8"><title>claudedesk</title>'
            f'<meta http-equiv="refresh" content="0;url={escape(url)}">'
        )
    return file


def _remove(file: Path) -> None:
    with suppress(OSError):  # Windows: the browser still reads it
        file.unlink(missing_ok=True)
