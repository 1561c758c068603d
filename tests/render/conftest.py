"""What all tests of the renderer share: a text that could only be shown plain fails the test."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


class _Recorder(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


_RECORDER = _Recorder()


@pytest.fixture(autouse=True)
def nothing_fails_quietly(request: pytest.FixtureRequest) -> Iterator[None]:
    """The renderer never raises but shows a text plain and logs the error: look at the log."""
    logger = logging.getLogger("claudedesk.render")
    logger.addHandler(_RECORDER)
    yield
    logger.removeHandler(_RECORDER)
    errors, _RECORDER.records = _RECORDER.records, []
    if "failing_on_purpose" not in request.fixturenames:
        assert not errors, errors[0].exc_info


@pytest.fixture
def failing_on_purpose() -> None:
    """For the tests of that very behaviour."""
