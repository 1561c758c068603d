"""What the environment says (read once) and the core's settings with their only defaults."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from claudedesk.errors import BadInput
from claudedesk.paths import Paths, standard
from claudedesk.types import Setting

API_URL: Final = "https://api.anthropic.com"
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class Config:
    """The environment of one process. `env_key` is the key as found, uncleaned; repr never shows it."""

    paths: Paths
    api_url: str = API_URL
    api_url_from_env: bool = False
    env_key: str | None = None
    log_level: str = "INFO"
    demo: bool = False
    database_url: str | None = None
    proxies: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Config(paths={self.paths!r}, api_url={self.api_url!r}, env_key={'set' if self.env_key else None})"


def load(environ: Mapping[str, str], *, demo: bool = False) -> Config:
    """Read the environment. Raises BadInput, naming the variable, when a value cannot be used."""
    url = environ.get("CLAUDEDESK_API_URL", "").strip()
    level = environ.get("CLAUDEDESK_LOG_LEVEL", "INFO").strip().upper() or "INFO"
    if level not in LOG_LEVELS:
        raise BadInput(f"CLAUDEDESK_LOG_LEVEL is {level!r}; use one of {', '.join(LOG_LEVELS)}.")
    names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    return Config(
        paths=standard(environ.get("CLAUDEDESK_HOME")),
        api_url=check_api_url(url) if url else API_URL,
        api_url_from_env=bool(url),
        env_key=environ.get("ANTHROPIC_API_KEY") or None,
        log_level=level,
        demo=demo,
        proxies=tuple(dict.fromkeys(name.upper() for name in names if environ.get(name))),
    )


def check_api_url(url: str) -> str:
    """Return the URL without a trailing slash; https anywhere, http on loopback only (SEC-18). Raises BadInput."""
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_ok = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_ok:
        raise BadInput(f"CLAUDEDESK_API_URL is {url!r}; it must be a URL such as {API_URL}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadInput("CLAUDEDESK_API_URL must hold no user name, password, query or fragment.")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise BadInput("CLAUDEDESK_API_URL must be https; plain http is allowed on this machine only.")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


MAX_TOKENS: Final = Setting(
    "reply.max_tokens",
    "int",
    16_384,
    "Longest reply (tokens)",
    "A reply ends here at the latest. The model's own limit applies as well.",
    minimum=512,
    maximum=1_000_000,
)
CORE_SETTINGS: Final = (
    Setting(
        "model.default",
        "text",
        "",
        "Default model",
        "New conversations start with it. Empty: chosen from the models your key may use.",
        max_length=200,
    ),
    Setting(
        "chat.instructions",
        "text",
        "",
        "Instructions",
        "Sent with every new conversation, so that Claude knows how you like your answers.",
    ),
    MAX_TOKENS,
    Setting(
        "reply.thinking",
        "choice",
        "auto",
        "Thinking",
        "Whether models that can think before they answer do so. It makes answers better, slower and dearer.",
        choices=(("auto", "As the model does by itself"), ("on", "On"), ("off", "Off")),
    ),
    Setting(
        "answers.enabled",
        "bool",
        True,
        "Answer cache",
        "An identical question is answered from this computer, free and labelled, until its lifetime ends.",
    ),
    Setting(
        "answers.lifetime_s",
        "int",
        3_600,
        "Answer cache lifetime (seconds)",
        "How long a kept answer may be used again.",
        minimum=60,
        maximum=2_592_000,
    ),
    Setting(
        "appearance.theme",
        "choice",
        "system",
        "Theme",
        "Light, dark, or as your system says.",
        choices=(("system", "System"), ("light", "Light"), ("dark", "Dark")),
    ),
    Setting(
        "composer.send_with",
        "choice",
        "enter",
        "Send with",
        "The other key breaks the line.",
        choices=(("enter", "Enter"), ("ctrl-enter", "Ctrl+Enter")),
    ),
    Setting("appearance.sidebar", "bool", True, "Sidebar", "Whether the sidebar is open.", hidden=True),
    Setting(
        "key.kept", "bool", False, "A key is kept", "What the last look found.", hidden=True, internal=True
    ),
    Setting("demo.enabled", "bool", False, "Offline demo", "Offer the offline demo as a model.", hidden=True),
)
