"""The desk: everything below the pages, put together once and offered to pages and commands as plain methods."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from claudedesk.claude import pricing
from claudedesk.claude.answers import Answers, Backend
from claudedesk.claude.client import Claude
from claudedesk.claude.models import Models
from claudedesk.claude.policy import Breaker
from claudedesk.config import Config
from claudedesk.errors import BadInput, NotFound
from claudedesk.keystore import Keys, KeyState
from claudedesk.logs import redact
from claudedesk.plugins import Plugins
from claudedesk.render.parts import Bodies
from claudedesk.replies.hub import Hub
from claudedesk.replies.journal import Journal
from claudedesk.replies.run import Engine
from claudedesk.replies.service import Replies
from claudedesk.replies.texts import check_conversation_id, clean_instructions, clean_text
from claudedesk.replies.turns import Turns
from claudedesk.store import conversations, search, usage, values
from claudedesk.store.database import Database
from claudedesk.store.owners import OwnerLock, is_alive
from claudedesk.store.settings import Settings
from claudedesk.types import Call, Clock, Conversation, Message, Model, SystemClock, utc_now

LONGEST_TITLE: Final = 200
RECOVER_S: Final = 20.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """One process's engine with its store; made by `build`, ended by `close`."""

    config: Config
    database: Database
    settings: Settings
    keys: Keys
    claude: Claude
    models: Models
    replies: Replies
    turns: Turns
    hub: Hub
    plugins: Plugins
    owner: OwnerLock

    def begin(self) -> None:
        """Mend what a crash left and warm the SDK and the list of models, all behind the first paint."""
        threading.Thread(target=self._begin, name="begin", daemon=True).start()

    def _begin(self) -> None:
        for step in (
            self.replies.recover,
            self._note_key,
            self.claude.warm().join,
            self.models.refresh_if_stale,
        ):
            try:
                step()
            except Exception:
                log.exception("a step behind the first paint failed")
        # Another engine beside us (a command) may die as well, and a list of models grows old.
        while not self.replies.closed.wait(RECOVER_S):
            try:
                self.replies.recover()
                self.models.refresh_if_stale()
            except Exception:
                log.exception("the look around failed")

    def close(self) -> None:
        """Save every partial, end all threads, close the connections."""
        self.replies.close()
        self.claude.close()
        self.database.close()
        self.owner.release()

    # What pages and commands read.

    def conversation(self, name: str) -> Conversation | None:
        """Return a conversation, or None."""
        with self.database.read() as tx:
            return conversations.get(tx, name)

    def conversations(self, *, limit: int, before: int | None = None) -> list[Conversation]:
        """Return conversations, newest first; `before` is the `activity` to go on from."""
        with self.database.read() as tx:
            return conversations.page(tx, limit=limit, before=before)

    def message(self, name: str) -> Message:
        """Return a message. Raises NotFound."""
        with self.database.read() as tx:
            found = conversations.message(tx, name)
        if found is None:
            raise NotFound("There is no such message.")
        return found

    def calls_of(self, reply: str) -> list[Call]:
        """Return a reply's calls, newest first."""
        with self.database.read() as tx:
            return usage.calls_of(tx, reply)

    def recent_calls(self, limit: int) -> list[Call]:
        """Return the last calls, newest first."""
        with self.database.read() as tx:
            return usage.recent(tx, limit=limit)

    def total(self, since: int) -> usage.Total:
        """Sum the calls since a time (UTC microseconds)."""
        with self.database.read() as tx:
            return usage.total(tx, since=since)

    def find(self, query: str, *, limit: int = 20, offset: int = 0) -> Sequence[search.Hit]:
        """Search every message's words, newest first."""
        with self.database.read() as tx:
            return search.find(tx, query, limit=limit, offset=offset)

    def draft(self, name: str) -> str:
        """Return a conversation's unsent text."""
        with self.database.read() as tx:
            return values.draft(tx, name)

    def unbegun(self) -> tuple[str, str] | None:
        """Return (conversation, text) of the newest draft that has no conversation yet."""
        with self.database.read() as tx:
            return values.newest_draft_without_conversation(tx)

    def default_model(self) -> Model | None:
        """Return the model that a new conversation starts with."""
        return self.models.default(self.settings.get("model.default"), pricing.output_rate)

    def can_answer(self) -> bool:
        """Tell whether there is a key or the demo; asks the keyring only when nothing else says yes."""
        return self.demo_on() or self.key_likely() or self.claude.has_key

    def key_likely(self) -> bool:
        """Tell whether there is a key, as far as the first paint may ask: a keyring can take seconds to answer."""
        known = self.keys.peek()
        return bool(self.settings.get("key.kept")) if known is None else known

    def demo_on(self) -> bool:
        """Tell whether the offline demo is offered."""
        return bool(self.config.demo or self.settings.get("demo.enabled"))

    # What they change.

    def set_draft(self, name: str, text: str) -> None:
        """Keep a conversation's unsent text; an empty one forgets it. Raises NotFound for a name that is no id."""
        check_conversation_id(name)
        clean = clean_text(text) if text.strip() else ""
        with self.database.write() as tx:
            values.set_draft(tx, name, clean, now=utc_now())

    def change_conversation(self, name: str, wishes: Mapping[str, Any]) -> Conversation:
        """Rename, or set model or instructions. Raises NotFound or BadInput."""
        changed = self._changes(wishes)
        with self.database.write() as tx:
            kept = conversations.get(tx, name)
            if kept is None:
                raise NotFound("There is no such conversation yet. Send a message first.")
            if changed:
                conversations.change(tx, name, changed)
        kept = replace(kept, **changed)
        self.hub.tell("conversation", {"id": name})
        self.plugins.tell("conversation_saved", conversation=kept)
        return kept

    def _changes(self, wishes: Mapping[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        if "title" in wishes:
            title = " ".join(clean_text(str(wishes["title"])).split())
            changed |= {"title": title[:LONGEST_TITLE], "title_by": "user"}
        if "instructions" in wishes:
            changed["instructions"] = clean_instructions(str(wishes["instructions"] or "")) or None
        if wishes.get("model"):
            if self.models.get(wishes["model"]) is None:
                raise BadInput("This model is not available.")
            changed["model"] = wishes["model"]
        return changed

    def check_key(self) -> str:
        """Check the key with a free call and keep the models it told; return the result in words."""
        count = len([model for model in self.models.refresh() if not model.demo])
        return f"The key works. {count} model{'s' if count != 1 else ''} can be used."

    def models_known(self, *, refresh: bool = False) -> list[Model]:
        """Return the models that can be chosen, asked for anew when that is wished or none was ever told."""
        if refresh or (not self.models.fetched() and self.claude.has_key):
            self.models.refresh()
        return self.models.all()

    def set_key(self, raw: str) -> KeyState:
        """Clean and keep a key. Raises BadInput or KeyringError."""
        state = self.keys.set(raw)
        self.replies.engine.breaker.reset()
        self._note_key()
        return state

    def remove_key(self) -> KeyState:
        """Forget the key. Raises KeyringError when the keyring may still hold it."""
        state = self.keys.remove()
        self._note_key()
        return state

    def _note_key(self) -> None:
        state = self.keys.state()
        kept = state.source == "keyring"
        # The environment's key hides what the keyring holds, and a keyring that failed has told nothing.
        if (
            state.source != "environment"
            and self.keys.peek() is not None
            and kept != self.settings.get("key.kept")
        ):
            self.settings.set("key.kept", kept)

    def month_start(self) -> int:
        """Return the local month's first instant (UTC microseconds)."""
        return _stamp(datetime.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0))

    def day_start(self) -> int:
        """Return the local day's first instant (UTC microseconds)."""
        return _stamp(datetime.now().replace(hour=0, minute=0, second=0, microsecond=0))


def _stamp(when: datetime) -> int:
    """Read a local wall-clock time, whose offset from UTC is that of its own day."""
    return int(when.astimezone(UTC).timestamp() * 1_000_000)


def _demo_models() -> Sequence[Mapping[str, Any]]:
    from claudedesk.claude.demo import MODELS  # late: it needs httpx2, which no first paint waits for

    models: Sequence[Mapping[str, Any]] = MODELS
    return models


def build(
    config: Config,
    database: Database,
    plugins: Plugins,
    settings: Settings,
    backend: Backend,
    *,
    keys: Keys | None = None,
    claude: Callable[[Config, Keys], Claude] | None = None,
    clock: Clock | None = None,
) -> Desk:
    """Put one engine together. `keys`, `claude` and `clock` are given by tests."""
    clock = clock or SystemClock()
    keys = keys or Keys(config, learn=redact.add)
    client = claude(config, keys) if claude else Claude(config, keys)
    hub = Hub()
    owner = OwnerLock(config.paths)

    def demo_on() -> bool:
        return bool(config.demo or settings.get("demo.enabled"))

    def demo_first() -> bool:
        known = keys.peek()
        likely = bool(settings.get("key.kept")) if known is None else known
        return demo_on() and (config.demo or not likely)

    models = Models(
        database, client, demo_on=demo_on, demo_models=_demo_models, demo_first=demo_first, clock=clock
    )
    answers = Answers(
        backend,
        enabled=lambda: settings.get("answers.enabled"),
        lifetime_s=lambda: settings.get("answers.lifetime_s"),
        clock=clock,
    )
    engine = Engine(
        database,
        settings,
        client,
        models,
        answers,
        Breaker(clock),
        hub,
        Journal(database, hub.all_live),
        clock,
        owner.uuid,
        around_call=plugins.around_call,
        saved=lambda kept: plugins.tell("conversation_saved", conversation=kept),
    )
    replies = Replies(engine, alive=lambda uuid: uuid == owner.uuid or is_alive(config.paths, uuid))
    settings.on_change(lambda changed: plugins.tell("settings_changed", changed=changed))
    return Desk(
        config,
        database,
        settings,
        keys,
        client,
        models,
        replies,
        Turns(database, hub, Bodies()),
        hub,
        plugins,
        owner,
    )
