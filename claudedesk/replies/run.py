"""One reply from queued to its end, in a thread of its own that belongs to no window and no request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final

from claudedesk.claude import budget, pricing, request, words
from claudedesk.claude.answers import Answer, Answers
from claudedesk.claude.client import Claude, Stopper
from claudedesk.claude.models import Models
from claudedesk.claude.policy import Breaker
from claudedesk.claude.request import Request
from claudedesk.errors import (
    BadInput,
    ClaudeDeskError,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreReadOnly,
    UpstreamError,
)
from claudedesk.replies.booking import booked, error_row, kind_of, status_of
from claudedesk.replies.hub import Hub
from claudedesk.replies.journal import Journal
from claudedesk.replies.live import LiveReply, Phase
from claudedesk.store import conversations, journal, search, usage
from claudedesk.store.database import Database
from claudedesk.store.settings import Settings
from claudedesk.types import Call, Clock, Conversation, Message, Model, Status, new_id

MAX_RUNNING: Final = 32
"""About 60 replies at 50 tokens/s is where one process ends (PERFORMANCE §2)."""
POLL_S: Final = 0.05
STORE_RETRY_S: Final = 1.0
STORE_TRIES: Final = 30
"""For a refusal that is neither a full nor a busy nor a read-only store, and so may never pass."""
INTERRUPTED: Final = "claudedesk was closed while this reply was being written."
log = logging.getLogger(__name__)


def _no_context(_call: Call) -> AbstractContextManager[object]:
    return nullcontext()


def _nobody(_conversation: Conversation) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Engine:
    """All that a run works with; one a process."""

    database: Database
    settings: Settings
    claude: Claude
    models: Models
    answers: Answers
    breaker: Breaker
    hub: Hub
    journal: Journal
    clock: Clock
    owner: str
    around_call: Callable[[Call], AbstractContextManager[object]] = _no_context
    saved: Callable[[Conversation], None] = _nobody


@dataclass(frozen=True, slots=True)
class End:
    """How a reply ended."""

    status: Status
    stop_reason: str | None = None
    error: dict[str, Any] | None = None
    from_answer_cache: dict[str, Any] | None = None
    call: Call | None = None


class Run:
    """Produces one reply. `fresh` passes the answer cache by; `probe` asks in spite of an open breaker."""

    def __init__(
        self,
        engine: Engine,
        reply: Message,
        live: LiveReply,
        slots: threading.Semaphore,
        *,
        before: Sequence[LiveReply] = (),
        fresh: bool = False,
        probe: bool = False,
        answers: bool = True,
    ) -> None:
        self.stopper = Stopper()
        self._engine = engine
        self._reply = reply
        self.live = self._live = live
        self._slots = slots
        self._before = before
        self._fresh = fresh
        self._probe = probe
        self._answers = answers
        self._began: Call | None = None
        self._interrupted = False

    def interrupt(self) -> None:
        """End because the app ends: a reply that is being written is cut, one that still waits is left waiting."""
        # A stop that the user asked for before stays one.
        self._interrupted = self._interrupted or not self.stopper.stopped
        self.stopper.stop()

    def __call__(self) -> None:
        """Wait for the turn, answer, store the end. Whatever happens, the reply ends exactly once."""
        try:
            end = self._wait_and_answer()
        except ClaudeDeskError as error:
            end = self._failed(error)
        except Exception:
            log.exception("a run failed in an unforeseen way")
            end = self._failed(
                ClaudeDeskError("Something in claudedesk went wrong. Your message is kept; retry.")
            )
        if self._interrupted and self._began is None and not self._live.content.words():
            self._engine.hub.drop(self._live)
            return
        try:
            self._store(end)
        except Exception:
            # The row stays as the journal left it and is mended at the next start; nobody may wait for it here.
            log.exception("a reply's end could not be stored")
            self._engine.hub.drop(self._live)

    def _wait_and_answer(self) -> End:
        for earlier in self._before:
            while not earlier.ended.wait(POLL_S):
                if self.stopper.stopped:
                    return End("stopped")
        while not self._slots.acquire(timeout=POLL_S):
            if self.stopper.stopped:
                return End("stopped")
        try:
            return End("stopped") if self.stopper.stopped else self._answer()
        finally:
            self._slots.release()

    def _answer(self) -> End:
        engine = self._engine
        model, asked = self._request()
        if not (self._answers and engine.answers.usable(asked)) or model.demo:
            return self._call(model, asked, keep=False)
        if self._fresh:
            return self._call(model, asked, keep=True)
        with engine.answers.one_at_a_time(asked, lambda: self.stopper.stopped):
            if self.stopper.stopped:
                return End("stopped")
            found = engine.answers.look(asked)
            return self._from_cache(found) if found else self._call(model, asked, keep=True)

    def _request(self) -> tuple[Model, Request]:
        engine = self._engine
        with engine.database.read() as tx:
            conversation = conversations.get(tx, self._reply.conversation)
            messages = conversations.branch(tx, self._reply.parent)
        model = engine.models.get(self._reply.model) if self._reply.model else self._first_model()
        if conversation is None or model is None:
            raise BadInput(
                "The model of this conversation is not available any more. Pick another and retry."
            )
        self._reply = replace(self._reply, model=model.id, demo=model.demo)
        asked = request.build(
            messages,
            model=model,
            instructions=conversation.instructions or "",
            max_tokens=engine.settings.get("reply.max_tokens"),
            thinking=engine.settings.get("reply.thinking"),
        )
        return model, asked

    def _first_model(self) -> Model | None:
        """Choose a model when none was known at the send: the list is asked for here, where nobody waits."""
        models = self._engine.models
        models.refresh()
        return models.default(self._engine.settings.get("model.default"), pricing.output_rate)

    def _from_cache(self, found: Answer) -> End:
        for index, block in enumerate(found.content):
            self._live.add(("start", index, block))
        self._engine.hub.grew(self._live)
        label = {"kept": found.kept, "saved_nanos": found.cost_nanos}
        return End("complete", stop_reason=found.stop_reason, from_answer_cache=label)

    def _call(self, model: Model, asked: Request, *, keep: bool) -> End:
        engine = self._engine
        if not model.demo and not self._probe:
            engine.breaker.check()
        call = self._begin(model, asked)
        error: ClaudeDeskError | None = None
        with ExitStack() as stack:
            try:
                stack.enter_context(engine.around_call(call))
            except Exception:
                log.exception("a plugin failed around a call")
            try:
                call = self._read(call, asked, demo=model.demo)
            except ClaudeDeskError as raised:
                error = raised
        end = self._end(call, asked, error)
        if not model.demo:
            self._learn(end, error)
        if keep and end.status == "complete" and end.stop_reason == "end_turn" and end.call:
            self._keep(asked, end.call)
        return end

    def _begin(self, model: Model, asked: Request) -> Call:
        engine, reply = self._engine, self._reply
        now = engine.clock.now()
        call = Call(new_id("k"), reply.id, reply.conversation, "reply", model.id, 1, now, demo=model.demo)
        held = budget.reservation(asked, model=model, call=call, owner=engine.owner)
        with engine.database.write() as tx:
            if not conversations.mark(tx, reply, "streaming", owner=engine.owner, started=now):
                raise BadInput("This reply has ended already.")
            usage.reserve(tx, held)
        self._began = call
        engine.hub.phase(self._live, Phase("streaming", "Sent", time.monotonic()))
        return call

    def _read(self, call: Call, asked: Request, *, demo: bool) -> Call:
        live, hub, clock = self._live, self._engine.hub, self._engine.clock
        for event in self._engine.claude.stream(asked.body, self.stopper, demo=demo):
            kind = event[0]
            if kind == "headers":
                call = replace(call, first_event=clock.now(), request_id=event[1].get("request-id"))
                self._began = call
                continue
            live.add(event)
            if kind in ("text", "thinking"):
                if call.first_word is None:
                    call = replace(call, first_word=clock.now())
                    self._began = call
                self._words(kind)
                hub.grew(live)
            elif kind == "start":
                hub.grew(live)
            elif kind == "done":
                return replace(call, outcome="complete")
        return call

    def _words(self, kind: str) -> None:
        text = "Writing" if kind == "text" else "Thinking"
        if self._live.phase.text != text:
            started = time.monotonic() if kind == "thinking" else None
            self._engine.hub.phase(self._live, Phase("streaming", text, started))

    def _end(self, call: Call, asked: Request, error: ClaudeDeskError | None) -> End:
        call = self._began or call if call.outcome != "complete" else call
        content = self._live.content
        whole = call.outcome == "complete"
        if error is None and not whole and not content.opened and not self.stopper.stopped:
            # Nothing of a stream came: a login page of the network, an empty answer.
            error = UpstreamError(words.OURS["malformed"], kind="malformed")
        status = status_of(whole, self.stopper.stopped, error, content.stop_reason, content.words() > 0)
        if status == "stopped" and self._interrupted:
            status, error = "truncated", UpstreamError(INTERRUPTED, kind="interrupted")
        if error is None and status == "truncated":
            error = UpstreamError(words.OURS["stream_cut"], kind="stream_cut")
        call = booked(call, content, asked, status, error, self._engine.clock.now())
        row = error_row(error) if status in ("failed", "truncated") else None
        if status == "refused" and content.stop_details:
            row = {"kind": "refusal", "details": dict(content.stop_details)}
        return End(status, content.stop_reason, row, call=call)

    def _learn(self, end: End, error: ClaudeDeskError | None) -> None:
        if isinstance(error, UpstreamError):
            self._engine.breaker.note(error)
        elif end.status == "complete":
            self._engine.breaker.reset()

    def _keep(self, asked: Request, call: Call) -> None:
        answers, content = self._engine.answers, self._live.content
        nanos = call.cost.nanos if call.cost else None
        answers.keep(asked, Answer(content.blocks(), call.model, content.stop_reason, nanos, answers.now()))

    def _failed(self, error: ClaudeDeskError) -> End:
        call = self._began
        if call is not None:
            call = replace(
                call, finished=self._engine.clock.now(), outcome="failed", error_type=kind_of(error)
            )
        status: Status = "truncated" if self._live.content.words() else "failed"
        return End(status, error=error_row(error), call=call)

    def _store(self, end: End) -> None:
        """Store the end, and again every second while the store cannot: the answer stays in memory meanwhile."""
        conversation = self._stored(end)
        self._engine.hub.done(self._live, {"status": end.status})
        self._engine.hub.tell("conversation", {"id": self._reply.conversation})
        if conversation is not None:
            self._engine.saved(conversation)

    def _stored(self, end: End) -> Conversation | None:
        tries = 0
        while True:
            try:
                return self._store_once(end)
            except StoreError as error:
                passing = isinstance(error, StoreBusy | StoreFull | StoreReadOnly)
                tries += not passing
                if tries > STORE_TRIES:
                    raise
                log.warning("a reply's end could not be stored: %s", error.user_message)
                told = f"{error.user_message} The answer is kept in memory and saved as soon as it can be."
                self._engine.hub.phase(self._live, Phase("streaming", told))
                time.sleep(STORE_RETRY_S)

    def _store_once(self, end: End) -> Conversation | None:
        engine, reply, live = self._engine, self._reply, self._live
        engine.journal.forget(live)
        content = live.content.blocks()
        with engine.database.write() as tx:
            ended = conversations.finish(
                tx,
                reply.id,
                owner=engine.owner,
                status=end.status,
                content=content,
                model=reply.model,
                stop_reason=end.stop_reason,
                error=end.error,
                from_answer_cache=end.from_answer_cache,
                now=engine.clock.now(),
            )
            journal.clear(tx, reply.id)
            if end.call is not None:
                usage.add_call(tx, end.call)
            stored = conversations.message(tx, reply.id)
            if ended and stored is not None and stored.text:
                search.put(
                    tx, seq=stored.seq, message=stored.id, conversation=stored.conversation, text=stored.text
                )
            return conversations.get(tx, reply.conversation)
