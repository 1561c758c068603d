"""What a search finds, and what it never does: on SQLite and PostgreSQL alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from claudedesk.errors import StoreError
from claudedesk.store import schema, search
from claudedesk.store.database import Database
from claudedesk.store.search import CLOSE, OPEN, find, segment

BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
CORPUS = {
    "ja": "機械学習は楽しい。ガラスの仮面",
    "zh": "我在学习中文，全文检索很有用",
    "ko": "전문 검색 테스트를 합니다",
    "fr": "Un café crème, s'il vous plaît; naïve Straße, Łódź, Øresund",
    "en": "The quick brown fox jumps over the lazy dog. See https://example.com/a/path?q=1",
    "code": "Call foo_bar(x) in src/main.py: version 2.0.1, 1e5 steps, <b>bold</b>, C++, e-mail me@host.org",
    "th": "ภาษาไทยไม่มีช่องว่าง",
    "hi": "हिन्दी में खोज",
    "ar": "مَرْحَبًا بالعالم",
    "mixed": "AI学习 and ＡＢＣ full width, ｶﾞﾗｽ half width",
}
Say = Callable[..., int]
NewStore = Callable[[str], AbstractContextManager[Database]]


@pytest.fixture(scope="module", params=BOTH)
def corpus(request: pytest.FixtureRequest, new_store: NewStore, say: Say) -> Iterator[Database]:
    with new_store(request.param) as store:
        with store.write() as tx:
            for name, words in CORPUS.items():
                say(tx, words, message=name)
        yield store


def found(store: Database, query: str, **more: int) -> list[str]:
    with store.read() as tx:
        return [hit.message for hit in find(tx, query, **more)]


# The fourteen probes of ECOSYSTEM §1 and their neighbours, newest first.
PROBES = {
    "機械学習": ["ja"],
    "機械": ["ja"],
    "機": ["ja"],
    "械": ["ja"],
    "い": ["ja"],
    "学习": ["mixed", "zh"],
    "习": ["mixed", "zh"],
    "检索": ["zh"],
    "전문": ["ko"],
    "검색 테": ["ko"],
    "검": ["ko"],
    "fox jum": ["en"],
    "cafe": ["fr"],
    "café": ["fr"],
    "CAFE\u0301": ["fr"],
    "foo_bar": ["code"],
    "bar": ["code"],
    "oo_b": [],
    "strasse": ["fr"],
    "lodz": ["fr"],
    "oresund": ["fr"],
    "naive crem": ["fr"],
    "ภาษา": ["th"],
    "ไทย": ["th"],
    "हिन्दी": ["hi"],
    "हिन्द": ["hi"],
    "مرحبا": ["ar"],
    "ai": ["mixed"],
    "AI学": ["mixed"],
    "abc": ["mixed"],
    "ガラス": ["mixed", "ja"],
    "カラス": [],
    "example": ["en"],
    "path": ["en"],
    "host": ["code"],
    "main.py": ["code"],
    "2.0.1": ["code"],
    "1e5": ["code"],
    "bold": ["code"],
    "C++ e-mail": ["code"],
    "fox cat": [],
    "secretly": [],
    "학습": [],
}


@pytest.mark.parametrize("query", PROBES)
def test_a_search_finds_the_messages_that_hold_the_words(corpus: Database, query: str) -> None:
    assert found(corpus, query) == PROBES[query]


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ('"quick brown"', ["en"]),
        ('"brown quick"', []),
        ("brown quick", ["en"]),
        ('"quick bro"', []),
        ('"quick bro', ["en"]),
        ("quic fox", []),
        ('"fox" "dog"', ["en"]),
        ("“quick brown” dog", ["en"]),
        ('"学习 and"', ["mixed"]),
        ('"习 and"', ["mixed"]),
        ('"学 and"', []),
        ('"검색 테스트를"', ["ko"]),
        ('"機械" "楽し"', ["ja"]),
        ("機　楽", ["ja"]),
    ],
)
def test_quotes_hold_words_together_and_only_the_last_word_may_go_on(
    corpus: Database, query: str, hits: list[str]
) -> None:
    assert found(corpus, query) == hits


HOSTILE = """
" "" \"\"\" * fox* -fox NEAR( OR AND ( ) ^fox ' ';-- \\ % _ & | ! <-> :* 😀 body:fox fox" "fox
"""
HOSTILE_LINES = """
NEAR(a b, 2)
fox AND
NOT fox
fox OR
{body}: fox
fox + dog
fox & !dog
"fox" "
"""
HUGE = ["x" * 10_000, "学" * 10_000, "a " * 10_000, '"a' * 5_000]
UNPRINTABLE = ["a\x00b", "\ud800", "\ue000fox\ue001", "\n\t", ""]


@pytest.mark.parametrize(
    "query",
    [*HOSTILE.split(), *HOSTILE_LINES.strip().split("\n"), *HUGE, *UNPRINTABLE],
    ids=lambda query: query[:20],
)
def test_no_query_is_wrong(corpus: Database, query: str) -> None:
    found(corpus, query)


@given(st.text(max_size=40))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_text_at_all_makes_a_search_fail(corpus: Database, query: str) -> None:
    found(corpus, query)


@pytest.mark.parametrize("kind", BOTH)
def test_any_word_and_any_beginning_of_a_message_finds_it(kind: str, new_store: NewStore, say: Say) -> None:
    with new_store(kind) as store, store.write() as tx:
        seq = say(tx, "nothing")

        @given(st.text(max_size=60), st.data())
        @example("İstanbul ŉ ǰ ΐ ﬃ ㌖ 각각 각 x", None)
        @example("a\u0301\u0323 क़ ｶﾞ ガ \U0002b820\U0001e900", None)
        @example("x" * 3_000 + " 1e5 12abc 0x1F 1.5e-3", None)
        @settings(max_examples=300 if kind == "sqlite" else 100, deadline=None)
        def every_word_finds(words: str, data: st.DataObject | None) -> None:
            search.put(tx, seq=seq, message="m_1", conversation="c_1", text=words)
            for word in words.split():
                end = data.draw(st.integers(1, len(word))) if data else len(word)
                part = word[:end]
                # A cut may leave half a letter (jamo, an accent to come) or no letter at all.
                if segment(part) and segment(word).startswith(segment(part)):
                    assert find(tx, part), (part, segment(words))

        every_word_finds()


@given(st.text())
def test_a_segmented_text_holds_nothing_but_words_and_single_spaces(words: str) -> None:
    cut = segment(words)
    assert cut == " ".join(cut.split())
    assert segment(cut.upper()).split()[:1] == cut.split()[:1] or not cut.isascii()
    assert not re.search("[\"'*:()&|!<>\\\\\x00\ud800-\udfff\ue000\ue001-]", cut)
    cut.encode()


def test_hits_come_newest_first_and_in_pages(database: Database, say: Say) -> None:
    with database.write() as tx:
        for number in range(7):
            say(tx, f"apple number {number}")
    assert found(database, "apple", limit=3) == ["m_7", "m_6", "m_5"]
    assert found(database, "apple", limit=3, offset=3) == ["m_4", "m_3", "m_2"]
    assert found(database, "apple", limit=3, offset=6) == ["m_1"]


def test_a_hit_tells_where_it_stands(database: Database, say: Say) -> None:
    with database.write() as tx:
        say(tx, "Apples", role="assistant", conversation="c_9")
        (hit,) = find(tx, "apple")
    assert (hit.message, hit.conversation, hit.role, hit.created) == ("m_1", "c_9", "assistant", 1_000)
    assert (hit.title, hit.snippet) == ("About c_9", f"{OPEN}Apple{CLOSE}s")


def test_what_a_message_says_now_replaces_what_it_said_before(database: Database, say: Say) -> None:
    with database.write() as tx:
        seq = say(tx, "an apple")
        search.put(tx, seq=seq, message="m_1", conversation="c_1", text="a pear")
        assert not find(tx, "apple")
        assert find(tx, "pear")
        assert search.check(tx)
        search.put(tx, seq=seq, message="m_1", conversation="c_1", text=" … ")
        assert not find(tx, "pear")
        assert search.check(tx)


def test_a_search_sees_what_its_transaction_wrote_and_nothing_of_one_rolled_back(
    database: Database, say: Say
) -> None:
    with pytest.raises(RuntimeError), database.write() as tx:
        say(tx, "an apple")
        assert find(tx, "apple")
        raise RuntimeError
    assert found(database, "apple") == []
    with database.write() as tx:
        assert search.check(tx)


def test_a_dropped_message_and_a_dropped_conversation_are_not_found(database: Database, say: Say) -> None:
    with database.write() as tx:
        say(tx, "first apple", conversation="c_1")
        say(tx, "second apple", conversation="c_1")
        say(tx, "third apple", conversation="c_2")
        search.drop(tx, "m_1")
        assert [hit.message for hit in find(tx, "apple")] == ["m_3", "m_2"]
        search.drop_conversation(tx, "c_1")
        tx.execute(delete(schema.conversations).where(schema.conversations.c.id == "c_1"))
        assert [hit.message for hit in find(tx, "apple")] == ["m_3"]
        assert search.check(tx)
        search.drop(tx, "m_none")
        search.drop_conversation(tx, "c_none")
        assert search.check(tx)


def test_a_check_notices_a_conversation_deleted_without_being_dropped(new_store: NewStore, say: Say) -> None:
    with new_store("sqlite") as store, store.write() as tx:
        say(tx, "an apple")
        tx.execute(delete(schema.conversations))
        assert not search.check(tx)
        assert find(tx, "apple") == []


def test_a_rebuild_finds_all_that_is_said_and_forgets_the_rest(database: Database, say: Say) -> None:
    with database.write() as tx:
        for number in range(3):
            say(tx, f"apple {number}")
        seq = say(tx, "…")
        search.put(tx, seq=seq, message=f"m_{seq}", conversation="c_1", text="was never said")
        tx.execute(text("DELETE FROM search_text WHERE message = 'm_2'"))
        search.rebuild(tx)
        assert [hit.message for hit in find(tx, "apple")] == ["m_3", "m_2", "m_1"]
        assert not find(tx, "never")
        assert search.check(tx)


def test_a_rebuild_takes_more_messages_than_one_batch(
    new_store: NewStore, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_BATCH", 2)
    with new_store("sqlite") as store, store.write() as tx:
        for number in range(5):
            say(tx, f"apple {number}")
        search.rebuild(tx)
        assert len(find(tx, "apple")) == 5


def test_a_damaged_index_is_noticed_and_mended_by_a_rebuild(new_store: NewStore, say: Say) -> None:
    with new_store("sqlite") as store, store.write() as tx:
        say(tx, "an apple")
        tx.execute(text("UPDATE search_text SET body = 'a pear'"))
        assert not search.check(tx)
        search.rebuild(tx)
        assert search.check(tx)
        assert find(tx, "apple")


def test_a_check_on_a_reading_connection_is_an_error_and_no_verdict(new_store: NewStore) -> None:
    with new_store("sqlite") as store, pytest.raises(StoreError), store.read() as tx:
        search.check(tx)


@pytest.mark.parametrize("scrubbed", [True, False])
def test_after_a_scrub_no_dropped_word_is_left_in_the_file(
    new_store: NewStore, say: Say, scrubbed: bool
) -> None:
    """FTS5 keeps deleted words until its segments merge; SQLite overwrites freed pages (`secure_delete`)."""
    with new_store("sqlite") as store:
        assert store.path is not None
        with store.write() as tx:
            say(tx, "xylophone", conversation="c_1")
            say(tx, "apple", conversation="c_2")
        with store.write() as tx:
            search.drop_conversation(tx, "c_1")
            tx.execute(delete(schema.conversations).where(schema.conversations.c.id == "c_1"))
            if scrubbed:
                search.scrub(tx)
        store.close()
        held = store.path.read_bytes()
        assert b"apple" in held
        assert (b"xylophone" not in held) == scrubbed


@pytest.mark.parametrize("length", [300_000, 1_500_000])
def test_a_very_long_message_is_kept_and_found(database: Database, say: Say, length: int) -> None:
    """PostgreSQL refuses a tsvector over 1 MB; that must never keep a message from being saved."""
    words = "start " + " ".join(f"w{number}" for number in range(length // 8))
    with database.write() as tx:
        say(tx, words)
        assert find(tx, "start w17")
    if database.sqlite:
        assert found(database, f"w{length // 8 - 1}") == ["m_1"]


def test_a_query_on_sqlite_walks_the_index_newest_first_without_sorting(new_store: NewStore) -> None:
    with new_store("sqlite") as store, store.read() as tx:
        values = {"query": '"a"', "limit": 1, "offset": 0}
        plan = tx.execute(text(f"EXPLAIN QUERY PLAN {search._FIND_SQLITE.text}"), values).all()
    assert "VIRTUAL TABLE INDEX" in plan[0].detail
    assert not [row for row in plan if "TEMP B-TREE" in row.detail or "SCAN m" in row.detail]
