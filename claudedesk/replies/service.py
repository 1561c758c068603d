"""Start, stop, retry, resume and recover replies: what pages and commands ask for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from claudedesk.claude import pricing
from claudedesk.errors import BadInput, NoKey, NotFound
from claudedesk.replies.live import LiveReply, Phase
from claudedesk.replies.recovery import Recovery, finish
from claudedesk.replies.run import MAX_RUNNING, Engine, Run
from claudedesk.replies.texts import check_ids, clean_instructions, clean_text
from claudedesk.replies.titles import title_of
from claudedesk.store import conversations, search, values
from claudedesk.store.tx import Tx
from claudedesk.types import Conversation, Message, Model, new_id

QUEUED: Final = Phase("queued", "Queued")


@dataclass(frozen=True, slots=True)
class Started:
    """What a send has made: the ids that the page and the commands go on with."""

    conversation: str
    message: str
    reply: str
    title: str
    again: bool = False


class Replies:
    """The replies of one engine. Every method commits before it returns; runs go on by themselves."""

    def __init__(self, engine: Engine, *, alive: Callable[[str], bool]) -> None:
        self.engine = engine
        self._alive = alive
        self._recovery = Recovery(engine.database, engine.clock, alive)
        self._slots = threading.Semaphore(MAX_RUNNING)
        self._lock = threading.Lock()
        # Commits and the queue of a conversation must have one order.
        self._ordered = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._closing = False
        self.closed = threading.Event()

    def start(
        self,
        conversation: str,
        text: str,
        client_id: str,
        *,
        model: str | None = None,
        instructions: str | None = None,
        answers: bool = True,
    ) -> Started:
        """Commit the user's message with its empty reply, then run it; the same `client_id` gives the first's answer.

        Raises BadInput, NoKey or StoreError; nothing is stored then.
        """
        text, instructions = clean_text(text), clean_instructions(instructions)
        check_ids(conversation, client_id)
        again = self._again(client_id, conversation)
        if again:
            return again
        chosen = self._choose(conversation, model)
        with self._ordered:
            with self.engine.database.write() as tx:
                twin = conversations.by_client_id(tx, client_id)
                if twin is not None:
                    return _started(tx, twin)
                kept = self._conversation(tx, conversation, text, chosen, instructions)
                asked = self._add_prompt(tx, kept, text, client_id)
                reply = self._add_reply(tx, kept, asked.id, chosen)
                conversations.touch(tx, kept.id, leaf=reply.id, now=reply.created)
                values.set_draft(tx, kept.id, "", now=reply.created)
            run = self._admit(reply, answers=answers)
        self._announce(kept, after=asked.parent, ids=[asked.id, reply.id])
        self._begin(run, reply.id)
        return Started(kept.id, asked.id, reply.id, kept.title)

    def retry(self, reply: str, client_id: str, *, fresh: bool = False, model: str | None = None) -> Started:
        """Ask again for the turn that `reply` answers: a new version beside the old one, which stays."""
        with self.engine.database.read() as tx:
            old = _need(conversations.message(tx, reply))
        if old.role != "assistant" or old.parent is None:
            raise BadInput("Only a reply can be asked for again.")
        check_ids(old.conversation, client_id)
        again = self._again(client_id, old.conversation)
        if again:
            return again
        chosen = self._choose(old.conversation, model or old.model)
        with self._ordered:
            with self.engine.database.write() as tx:
                twin = conversations.by_client_id(tx, client_id)
                if twin is not None:
                    return _started(tx, twin)
                kept = _need(conversations.get(tx, old.conversation))
                new = self._add_reply(tx, kept, old.parent, chosen, client_id=client_id)
                conversations.touch(tx, kept.id, leaf=new.id, now=new.created)
            run = self._admit(new, fresh=fresh or old.status == "complete", probe=True)
        self._announce(kept, after=old.parent, ids=[new.id])
        self._begin(run, new.id)
        return Started(kept.id, old.parent, new.id, kept.title)

    def resume(self, reply: str) -> None:
        """Run a reply that a restart left queued or waiting. Raises NotFound or BadInput."""
        with self._ordered:
            if self.engine.hub.live(reply):
                return
            with self.engine.database.write() as tx:
                waiting = _need(conversations.message(tx, reply))
                if waiting.status not in ("queued", "waiting"):
                    raise BadInput("This reply is not waiting.")
                if waiting.owner != self.engine.owner:
                    if waiting.owner and self._alive(waiting.owner):
                        raise BadInput("Another running claudedesk works on this reply.")
                    if not conversations.claim(tx, waiting, self.engine.owner):
                        raise BadInput("Somebody else has just taken this reply.")
            run = self._admit(replace(waiting, owner=self.engine.owner))
        self._begin(run, reply)

    def stop(self, reply: str) -> bool:
        """Stop a reply, running or paused; False when it has ended already. Raises NotFound."""
        with self._lock:
            run = self._runs.get(reply)
        if run is not None:
            run.stopper.stop()
            return True
        with self.engine.database.write() as tx:
            found = _need(conversations.message(tx, reply))
            if not found.open or (
                found.owner and found.owner != self.engine.owner and self._alive(found.owner)
            ):
                return False
            if found.status == "streaming":
                self._recovery.mend(tx, [found])
            else:
                finish(tx, found, "stopped", found.content, now=self.engine.clock.now())
        self._show(found)
        return True

    def _show(self, changed: Message) -> None:
        data = {"conversation": changed.conversation, "after": changed.parent, "ids": [changed.id]}
        self.engine.hub.tell("turns", data, changed.conversation)

    def wait(self, reply: str, timeout: float | None = None) -> Message:
        """Wait for a reply's end and return it as stored."""
        live = self.engine.hub.live(reply)
        if live is not None:
            live.ended.wait(timeout)
        with self.engine.database.read() as tx:
            return _need(conversations.message(tx, reply))

    def show(self, message: str) -> Message:
        """Make the branch through `message` the active one. Raises NotFound."""
        with self.engine.database.write() as tx:
            found = _need(conversations.message(tx, message))
            leaf = conversations.newest_leaf(tx, message)
            conversations.change(tx, found.conversation, {"leaf": leaf})
            branch = [m.id for m in conversations.branch(tx, leaf)]
        data = {
            "conversation": found.conversation,
            "after": found.parent,
            "ids": branch[branch.index(message) :],
        }
        self.engine.hub.tell("turns", data, found.conversation)
        return found

    def recover(self) -> int:
        """Mend what dead owners left, show it to whoever watches, and count it."""
        mended = self._recovery.recover()
        for reply in mended:
            self._show(reply)
        return len(mended)

    def close(self, timeout: float = 2.0) -> None:
        """Stop every run, save every partial, end the threads; within `timeout` seconds or so."""
        with self._lock:
            self._closing = True
            self.closed.set()
            runs = list(self._runs.values())
        for run in runs:
            run.interrupt()
        deadline = time.monotonic() + timeout
        for live in self.engine.hub.all_live():
            live.ended.wait(max(0.05, deadline - time.monotonic()))
        # A store that another process holds must not hold up the end: what it refuses is in the journal already.
        last = threading.Thread(target=self.engine.journal.close, name="journal-close", daemon=True)
        last.start()
        last.join(max(0.5, deadline - time.monotonic()))
        self.engine.hub.close()

    def _again(self, client_id: str, conversation: str) -> Started | None:
        with self.engine.database.read() as tx:
            twin = conversations.by_client_id(tx, client_id)
            if twin is not None and twin.conversation != conversation:
                raise BadInput("This message was already sent in another conversation.")
            return _started(tx, twin) if twin else None

    def _choose(self, conversation: str, wished: str | None) -> Model | None:
        """Return the model to ask, or None when no list of models has come yet: the run then asks for it.

        Never another than the one that was wished for (UP-06).
        """
        engine = self.engine
        known = engine.models.all()
        if not known:
            if not engine.claude.has_key:
                raise NoKey("There is no API key yet. Add one in Settings, or try the offline demo.")
            return None
        with engine.database.read() as tx:
            kept = conversations.get(tx, conversation)
        name = wished or (kept.model if kept else None)
        if not name and engine.models.list_is_missing() and engine.claude.has_key:
            return None
        if name:
            found = next((model for model in known if model.id == name), None)
            if found is None:
                raise BadInput(f"The model {name} is not available. Pick another one; your text is kept.")
        else:
            found = engine.models.default(engine.settings.get("model.default"), pricing.output_rate)
        if found is not None and not found.demo and not engine.claude.has_key:
            raise NoKey("There is no API key any more. Add one in Settings; your text is kept.")
        return found

    def _conversation(
        self, tx: Tx, name: str, text: str, model: Model | None, instructions: str | None
    ) -> Conversation:
        kept = conversations.get(tx, name)
        if kept is not None:
            changed: dict[str, Any] = {"model": model.id} if model and kept.model != model.id else {}
            if instructions is not None and instructions != kept.instructions:
                changed["instructions"] = instructions
            if changed:
                conversations.change(tx, name, changed)
            return replace(kept, **changed)
        now = self.engine.clock.now()
        words = self.engine.settings.get("chat.instructions") if instructions is None else instructions
        chosen, demo = (model.id, model.demo) if model else (None, False)
        kept = Conversation(name, title_of(text), "auto", words or None, chosen, None, demo, 0, now, now)
        conversations.add(tx, kept)
        return kept

    def _add_prompt(self, tx: Tx, kept: Conversation, text: str, client_id: str) -> Message:
        now = self.engine.clock.now()
        asked = Message(
            0,
            new_id("m"),
            kept.id,
            kept.leaf,
            "user",
            ({"type": "text", "text": text},),
            "complete",
            client_id=client_id,
            created=now,
            finished=now,
        )
        seq = conversations.add_message(tx, asked)
        search.put(tx, seq=seq, message=asked.id, conversation=kept.id, text=text)
        return replace(asked, seq=seq)

    def _add_reply(
        self, tx: Tx, kept: Conversation, parent: str, model: Model | None, client_id: str | None = None
    ) -> Message:
        reply = Message(
            0,
            new_id("m"),
            kept.id,
            parent,
            "assistant",
            (),
            "queued",
            client_id=client_id,
            model=model.id if model else None,
            owner=self.engine.owner,
            demo=bool(model and model.demo),
            created=self.engine.clock.now(),
        )
        return replace(reply, seq=conversations.add_message(tx, reply))

    def _announce(self, kept: Conversation, *, after: str | None, ids: list[str]) -> None:
        self.engine.hub.tell("turns", {"conversation": kept.id, "after": after, "ids": ids}, kept.id)
        self.engine.hub.tell("conversation", {"id": kept.id})
        self.engine.saved(kept)

    def _admit(
        self, reply: Message, *, fresh: bool = False, probe: bool = False, answers: bool = True
    ) -> Run:
        """Put a reply into its conversation's queue, behind all that run or wait there: one in flight each."""
        engine = self.engine
        before = [live for live in engine.hub.all_live() if live.conversation == reply.conversation]
        live = LiveReply(reply.id, reply.conversation, QUEUED)
        run = Run(engine, reply, live, self._slots, before=before, fresh=fresh, probe=probe, answers=answers)
        engine.hub.begin(live)
        with self._lock:
            self._runs[reply.id] = run
            if self._closing:
                run.interrupt()
        return run

    def _begin(self, run: Run, reply: str) -> None:
        self.engine.hub.introduce(run.live)
        self.engine.journal.wake()
        threading.Thread(target=self._run, args=(run, reply), name=f"run-{reply}", daemon=True).start()

    def _run(self, run: Run, reply: str) -> None:
        try:
            run()
        finally:
            with self._lock:
                self._runs.pop(reply, None)


_T = TypeVar("_T")


def _need(found: _T | None) -> _T:
    if found is None:
        raise NotFound("There is no such message or conversation.")
    return found


def _started(tx: Tx, twin: Message) -> Started:
    kept = _need(conversations.get(tx, twin.conversation))
    if twin.role == "assistant":
        return Started(kept.id, twin.parent or "", twin.id, kept.title, again=True)
    replies = conversations.children(tx, twin.conversation, twin.id)
    return Started(kept.id, twin.id, replies[0].id if replies else "", kept.title, again=True)
