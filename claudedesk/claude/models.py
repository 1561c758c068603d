"""The models that can be asked: told by `GET /v1/models`, kept in the store with their time, usable offline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

from claudedesk.errors import ClaudeDeskError
from claudedesk.store import values
from claudedesk.store.database import Database
from claudedesk.types import Clock, Model, SystemClock

FRESH_S: Final = 24 * 3_600
"""A list older than this is fetched again, behind the page's back."""


class Source(Protocol):
    """What tells the models: the client, by API address."""

    @property
    def origin(self) -> str: ...
    @property
    def has_key(self) -> bool: ...
    def list_models(self, *, demo: bool = False) -> Sequence[Mapping[str, Any]]: ...


class Models:
    """The known models. `demo_on()`: the offline demo is offered; `demo_first()`: it is the default."""

    def __init__(
        self,
        database: Database,
        source: Source,
        *,
        demo_on: Callable[[], bool],
        demo_models: Callable[[], Sequence[Mapping[str, Any]]],
        demo_first: Callable[[], bool] = lambda: False,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._source = source
        self._demo_on = demo_on
        self._demo_models = demo_models
        self._demo_first = demo_first
        self._clock = clock or SystemClock()
        self._refreshing = threading.Lock()

    def all(self) -> list[Model]:
        """Return what can be chosen: the API's models (as last told), then the demo's when it is on."""
        with self._database.read() as tx:
            told, _when = values.models(tx, self._source.origin)
        found = [parse(raw) for raw in told if raw.get("lifecycle") != "retired"]
        if self._demo_on():
            found += [parse(raw, demo=True) for raw in self._demo_models()]
        return found

    def get(self, model_id: str | None) -> Model | None:
        """Return the model of that id, or None."""
        return next((model for model in self.all() if model.id == model_id), None)

    def fetched(self) -> int:
        """Return when the list was told (UTC microseconds), 0 for never."""
        with self._database.read() as tx:
            return values.models(tx, self._source.origin)[1]

    def list_is_missing(self) -> bool:
        """Tell whether the API's models are wanted as a default but were never told."""
        return not self._demo_first() and not self.fetched()

    def refresh(self) -> list[Model]:
        """Fetch the list now and keep it. Raises UpstreamError or NoKey; the kept list then stays."""
        with self._refreshing:
            told = self._source.list_models()
            with self._database.write() as tx:
                values.set_models(tx, self._source.origin, told, now=self._clock.now())
        return self.all()

    def refresh_if_stale(self) -> bool:
        """Fetch the list when it is old, from a background thread; a failure leaves it as it was."""
        if not self._source.has_key or self._clock.now() - self.fetched() < FRESH_S * 1_000_000:
            return False
        try:
            self.refresh()
        except ClaudeDeskError:
            return False
        return True

    def default(self, wished: str, price: Callable[[str], Decimal | None]) -> Model | None:
        """Return the wished model when it is there, else one chosen from what is there, else the demo's first."""
        found = self.all()
        by_id = {model.id: model for model in found}
        if wished in by_id:
            return by_id[wished]
        real = [] if self._demo_first() else [model for model in found if not model.demo]
        found = [model for model in found if model.demo or model in real]
        return choose(real, price) if real else next(iter(found), None)


def choose(models: Sequence[Model], price: Callable[[str], Decimal | None]) -> Model:
    """Choose a default: of each line its newest active model, and of those the one in the middle of the prices.

    Neither the dearest nor the weakest suits a newcomer; without any known price the newest model serves.
    """
    active = [model for model in models if model.lifecycle == "active"] or list(models)
    newest: dict[str, Model] = {}
    for model in sorted(active, key=lambda model: model.created):
        newest[model.line or model.id] = model
    priced = sorted(
        ((rate, model.id) for model in newest.values() if (rate := price(model.id)) is not None),
    )
    if priced:
        middle = priced[(len(priced) - 1) // 2][1]
        return next(model for model in active if model.id == middle)
    return max(active, key=lambda model: model.created)


def parse(raw: Mapping[str, Any], *, demo: bool = False) -> Model:
    """Read one entry of `GET /v1/models`."""
    return Model(
        id=raw["id"],
        name=raw.get("display_name") or raw["id"],
        lifecycle=raw.get("lifecycle") or "active",
        line=raw.get("line"),
        created=str(raw.get("created_at") or ""),
        retires=raw.get("retires_at"),
        max_input_tokens=raw.get("max_input_tokens"),
        max_tokens=raw.get("max_tokens"),
        raw=raw,
        demo=demo,
    )
