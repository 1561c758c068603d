"""Conversations and their messages: a tree with one active branch, whose last message is the leaf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, false, func, insert, literal, or_, select, update

from claudedesk.store import schema
from claudedesk.store.rows import content_of, conversation_of, dumps, message_of
from claudedesk.types import Block, Conversation, Message, Status

_c = schema.conversations
_m = schema.messages

# The hot statements of a send are built once: building them per call costs 0.5 ms each (measured).
_GET = select(_c).where(_c.c.id == bindparam("id"))
_NEXT_ACTIVITY = select(func.coalesce(func.max(_c.c.activity), 0) + 1)
_MESSAGE = select(_m).where(_m.c.id == bindparam("id"))
_BY_CLIENT = select(_m).where(_m.c.client_id == bindparam("client_id"))
_INSERT_MESSAGE = insert(_m).returning(_m.c.seq)
_INSERT_CONVERSATION = insert(_c)
_TOUCH = (
    update(_c)
    .where(_c.c.id == bindparam("the_id"))
    .values(leaf=bindparam("leaf"), activity=bindparam("activity"), updated=bindparam("updated"))
)


def get(tx: Connection, conversation: str) -> Conversation | None:
    """Return the conversation, or None."""
    row = tx.execute(_GET, {"id": conversation}).mappings().first()
    return conversation_of(row) if row else None


def add(tx: Connection, conversation: Conversation) -> None:
    """Insert a conversation; its `activity` is minted here, so that it sorts first."""
    values = {name: getattr(conversation, name) for name in Conversation.__dataclass_fields__}
    tx.execute(_INSERT_CONVERSATION, values | {"activity": next_activity(tx)})


def next_activity(tx: Connection) -> int:
    """Return the next place in the order of conversations, which no clock can disturb (DAT-17)."""
    return int(tx.execute(_NEXT_ACTIVITY).scalar_one())


def touch(tx: Connection, conversation: str, *, leaf: str | None, now: int) -> None:
    """Make `leaf` the end of the active branch and the conversation the newest."""
    row = {"the_id": conversation, "leaf": leaf, "activity": next_activity(tx), "updated": now}
    tx.execute(_TOUCH, row)


def change(tx: Connection, conversation: str, values: Mapping[str, Any]) -> None:
    """Set columns of a conversation (title, title_by, model, instructions, leaf)."""
    tx.execute(update(_c).where(_c.c.id == conversation).values(**values))


def page(tx: Connection, *, limit: int, before: int | None = None) -> list[Conversation]:
    """Return conversations, newest first; `before` is the `activity` to go on from."""
    query = select(_c).order_by(_c.c.activity.desc()).limit(limit)
    if before is not None:
        query = query.where(_c.c.activity < before)
    return [conversation_of(row) for row in tx.execute(query).mappings()]


def add_message(tx: Connection, message: Message) -> int:
    """Insert a message and return its `seq`; the one given is ignored."""
    values = {
        "id": message.id,
        "conversation": message.conversation,
        "parent": message.parent,
        "role": message.role,
        "content": content_of(message.content),
        "status": message.status,
        "client_id": message.client_id,
        "model": message.model,
        "stop_reason": message.stop_reason,
        "error": None if message.error is None else dumps(message.error),
        "owner": message.owner,
        "demo": message.demo,
        "from_answer_cache": None if message.from_answer_cache is None else dumps(message.from_answer_cache),
        "created": message.created,
        "started": message.started,
        "finished": message.finished,
    }
    return int(tx.execute(_INSERT_MESSAGE, values).scalar_one())


def message(tx: Connection, message_id: str) -> Message | None:
    """Return the message, or None."""
    row = tx.execute(_MESSAGE, {"id": message_id}).mappings().first()
    return message_of(row) if row else None


def by_client_id(tx: Connection, client_id: str) -> Message | None:
    """Return the message that a client minted this id for, or None (UP-23)."""
    row = tx.execute(_BY_CLIENT, {"client_id": client_id}).mappings().first()
    return message_of(row) if row else None


def children(tx: Connection, conversation: str, parent: str | None) -> list[Message]:
    """Return the versions that follow `parent` (None: the first turns), oldest first."""
    same = _m.c.parent.is_(None) if parent is None else _m.c.parent == parent
    query = select(_m).where(_m.c.conversation == conversation, same).order_by(_m.c.seq)
    return [message_of(row) for row in tx.execute(query).mappings()]


def siblings(tx: Connection, conversation: str, parents: Sequence[str | None]) -> dict[str | None, list[str]]:
    """Return, for each parent, the ids of the versions that follow it, oldest first."""
    known = [parent for parent in parents if parent is not None]
    match = or_(_m.c.parent.in_(known), _m.c.parent.is_(None) if None in parents else false())
    query = select(_m.c.parent, _m.c.id).where(_m.c.conversation == conversation, match).order_by(_m.c.seq)
    found: dict[str | None, list[str]] = {}
    for parent, child in tx.execute(query):
        found.setdefault(parent, []).append(child)
    return found


def _branch(leaf: str, depth: int | None) -> Select[Any]:
    """Walk from the leaf to the root; `depth` bounds the walk."""
    start = (
        select(_m.c.id, _m.c.parent, literal(0).label("depth"))
        .where(_m.c.id == leaf)
        .cte("walk", recursive=True)
    )
    step = select(_m.c.id, _m.c.parent, (start.c.depth + 1).label("depth")).join(
        start, _m.c.id == start.c.parent
    )
    if depth is not None:
        step = step.where(start.c.depth < depth - 1)
    walk = start.union_all(step)
    return (
        select(_m, walk.c.depth.label("depth")).join(walk, _m.c.id == walk.c.id).order_by(walk.c.depth.desc())
    )


def branch(tx: Connection, leaf: str | None, *, last: int | None = None) -> list[Message]:
    """Return the messages from the root to `leaf`, oldest first, or only the `last` ones of them."""
    if leaf is None:
        return []
    return [message_of(row) for row in tx.execute(_branch(leaf, last)).mappings()]


def newest_leaf(tx: Connection, message_id: str) -> str:
    """Return the newest message at the end of the branch below `message_id`."""
    start = select(_m.c.id, _m.c.seq).where(_m.c.id == message_id).cte("down", recursive=True)
    step = select(_m.c.id, _m.c.seq).join(start, _m.c.parent == start.c.id)
    down = start.union_all(step)
    return str(tx.execute(select(down.c.id).order_by(down.c.seq.desc()).limit(1)).scalar_one())


def open_replies(tx: Connection) -> list[Message]:
    """Return all replies that are not finished, oldest first."""
    query = select(_m).where(_m.c.status.in_(("queued", "waiting", "streaming"))).order_by(_m.c.seq)
    return [message_of(row) for row in tx.execute(query).mappings()]


_MARK = (
    update(_m)
    .where(and_(_m.c.id == bindparam("the_id"), _m.c.status.in_(("queued", "waiting", "streaming"))))
    .values(
        status=bindparam("status"),
        owner=bindparam("owner"),
        started=bindparam("started"),
        model=bindparam("model"),
        demo=bindparam("demo"),
    )
)
_NAME_MODEL = (
    update(_c)
    .where(_c.c.id == bindparam("the_id"), _c.c.model.is_(None))
    .values(model=bindparam("model"), demo=bindparam("demo"))
)


def mark(tx: Connection, reply: Message, status: Status, *, owner: str | None, started: int | None) -> bool:
    """Set an open reply's status, owner and model, and the conversation's model if it has none; was it still open?"""
    row = {"the_id": reply.id, "status": status, "owner": owner, "started": started}
    chosen = {"model": reply.model, "demo": reply.demo}
    if tx.execute(_MARK, row | chosen).rowcount != 1:
        return False
    tx.execute(_NAME_MODEL, {"the_id": reply.conversation, **chosen})
    return True


_CLAIM = (
    update(_m)
    .where(
        and_(
            _m.c.id == bindparam("the_id"), _m.c.status == bindparam("was"), _m.c.owner == bindparam("before")
        )
    )
    .values(owner=bindparam("now"))
)


def claim(tx: Connection, reply: Message, owner: str) -> bool:
    """Take an open reply over from a dead owner; False when somebody else was quicker."""
    row = {"the_id": reply.id, "was": reply.status, "before": reply.owner, "now": owner}
    return tx.execute(_CLAIM, row).rowcount == 1


_FINISH = (
    update(_m)
    .where(
        and_(
            _m.c.id == bindparam("the_id"),
            # Or cut by a process that took its living owner for dead: the owner knows better.
            or_(
                _m.c.status.in_(("queued", "waiting", "streaming")),
                and_(_m.c.status == "truncated", _m.c.owner == bindparam("the_owner")),
            ),
        )
    )
    .values(
        status=bindparam("status"),
        content=bindparam("content"),
        model=bindparam("model"),
        stop_reason=bindparam("stop_reason"),
        error=bindparam("error"),
        from_answer_cache=bindparam("from_answer_cache"),
        finished=bindparam("finished"),
    )
)


def finish(
    tx: Connection,
    reply: str,
    *,
    owner: str = "nobody",
    status: Status,
    content: Sequence[Block],
    model: str | None,
    stop_reason: str | None,
    error: Mapping[str, Any] | None,
    from_answer_cache: Mapping[str, Any] | None,
    now: int,
) -> bool:
    """Give an open reply its end; every reply ends exactly once, so a second call changes nothing and says False.

    Only the run that wrote it, named by `owner`, may still correct a truncation that another process took for due.
    """
    row = {
        "the_id": reply,
        "the_owner": owner,
        "status": status,
        "content": content_of(content),
        "model": model,
        "stop_reason": stop_reason,
        "error": None if error is None else dumps(error),
        "from_answer_cache": None if from_answer_cache is None else dumps(from_answer_cache),
        "finished": now,
    }
    return tx.execute(_FINISH, row).rowcount == 1


def all_messages(tx: Connection, conversation: str) -> list[Message]:
    """Return every message of every branch, in the order they were written."""
    query = select(_m).where(_m.c.conversation == conversation).order_by(_m.c.seq)
    return [message_of(row) for row in tx.execute(query).mappings()]


def names(tx: Connection) -> list[str]:
    """Return the ids of all conversations, oldest activity first."""
    return [str(name) for name in tx.execute(select(_c.c.id).order_by(_c.c.activity)).scalars()]
