"""Where things lie on this machine: data, cache, logs and the runtime folder, all private to the user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from claudedesk.errors import BadInput


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of one installation. `runtime` holds locks and the instance file and dies with the session."""

    data: Path
    cache: Path
    logs: Path
    runtime: Path

    @property
    def database(self) -> Path:
        return self.data / "claudedesk.db"

    @property
    def backups(self) -> Path:
        return self.data / "backups"

    @property
    def answers(self) -> Path:
        return self.cache / "answers"

    @property
    def owners(self) -> Path:
        return self.runtime / "owners"

    @property
    def instance(self) -> Path:
        return self.runtime / "instance.json"

    def make(self) -> None:
        """Create the folders, 0700. Raises BadInput naming the folder that cannot be made."""
        for folder in (self.data, self.cache, self.logs, self.runtime, self.owners, self.answers):
            private_folder(folder)


def private_folder(folder: Path) -> None:
    """Create `folder` (and its parents) with mode 0700; tighten it when it is there and ours."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix" and folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise BadInput(f"The folder {folder} cannot be used: {error.strerror or error}.") from error


def standard(home: str | None) -> Paths:
    """Return the folders below `home` (CLAUDEDESK_HOME), or the platform's own when it is empty."""
    if home:
        try:
            root = Path(home).expanduser().absolute()
        except RuntimeError as error:
            raise BadInput(f"CLAUDEDESK_HOME is {home!r}, and there is no such user.") from error
        return Paths(root / "data", root / "cache", root / "logs", root / "runtime")
    import platformdirs

    dirs = platformdirs.PlatformDirs("claudedesk", appauthor=False)
    data = Path(dirs.user_data_dir)
    # Not in the cache folder: a cleaner that takes a living owner's lock away makes its replies look orphaned.
    return Paths(data, Path(dirs.user_cache_dir), Path(dirs.user_log_dir), data / "runtime")
