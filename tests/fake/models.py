"""The models of the fake: ids that cannot exist, each with a whole capability matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

EFFORTS = ("low", "medium", "high", "xhigh", "max")
THINKING = ("adaptive", "enabled", "disabled", "between_tools")


def _yes(supported: bool) -> dict[str, bool]:
    return {"supported": supported}


def capabilities(
    *,
    thinking: Iterable[str] = ("disabled",),
    effort: Iterable[str] = (),
    images: bool = True,
    pdf: bool = True,
    tools: bool = True,
) -> dict[str, Any]:
    """Return the matrix as `ModelInfo.capabilities` has it: every key present, each with `supported`."""
    thinks, efforts = set(thinking), set(effort)
    return {
        "batch": _yes(True),
        "citations": _yes(True),
        "code_execution": _yes(tools),
        "context_management": {
            "supported": tools,
            "clear_thinking_20251015": _yes(tools),
            "clear_tool_uses_20250919": _yes(tools),
            "compact_20260112": _yes(False),
        },
        "effort": {"supported": bool(efforts), **{level: _yes(level in efforts) for level in EFFORTS}},
        "image_input": _yes(images),
        "pdf_input": _yes(pdf),
        "server_tools": {"supported": tools, "code_execution": _yes(tools), "web_search": _yes(tools)},
        "structured_outputs": _yes(True),
        "thinking": {
            "supported": bool(thinks - {"disabled"}),
            "types": {kind: _yes(kind in thinks) for kind in THINKING},
        },
    }


@dataclass(frozen=True)
class FakeModel:
    """One model: what `GET /v1/models` tells, and the prompt cache's floor in tokens, which it does not."""

    id: str
    name: str = ""
    line: str | None = None
    lifecycle: str = "active"
    created: str = "2026-06-01T00:00:00Z"
    deprecated: str | None = None
    retires: str | None = None
    max_input_tokens: int = 200_000
    max_tokens: int = 64_000
    cache_floor: int = 1_024
    abilities: Mapping[str, Any] = field(default_factory=capabilities)

    def info(self) -> dict[str, Any]:
        """Return the model as the API shows it."""
        return {
            "type": "model",
            "id": self.id,
            "display_name": self.name or self.id,
            "created_at": self.created,
            "lifecycle": self.lifecycle,
            "deprecated_at": self.deprecated,
            "retires_at": self.retires,
            "line": self.line,
            "max_input_tokens": self.max_input_tokens,
            "max_tokens": self.max_tokens,
            "capabilities": self.abilities,
        }

    def can(self, *path: str) -> bool:
        """Tell whether `capabilities.<path>.supported` is true."""
        node: Any = self.abilities
        for name in path:
            node = node.get(name, {})
        return bool(node.get("supported"))


MODELS = (
    FakeModel(
        "test-large-1",
        "Test Large 1",
        "opus",
        created="2026-09-01T00:00:00Z",
        max_tokens=128_000,
        cache_floor=512,
        abilities=capabilities(thinking=("adaptive", "disabled", "between_tools"), effort=EFFORTS),
    ),
    FakeModel(
        "test-medium-1",
        "Test Medium 1",
        "sonnet",
        created="2026-08-01T00:00:00Z",
        abilities=capabilities(thinking=("adaptive", "disabled"), effort=("low", "medium", "high")),
    ),
    FakeModel(
        "test-small-1",
        "Test Small 1",
        "haiku",
        created="2026-07-01T00:00:00Z",
        max_input_tokens=100_000,
        max_tokens=8_192,
        cache_floor=2_048,
        abilities=capabilities(pdf=False, tools=False),
    ),
    FakeModel(
        "test-old-1",
        "Test Old 1",
        "sonnet",
        lifecycle="deprecated",
        created="2025-05-01T00:00:00Z",
        deprecated="2026-09-15T00:00:00Z",
        retires="2026-12-15T00:00:00Z",
        max_tokens=32_000,
        abilities=capabilities(thinking=("enabled", "disabled")),
    ),
    FakeModel(
        "test-gone-1",
        "Test Gone 1",
        "sonnet",
        lifecycle="retired",
        created="2024-03-01T00:00:00Z",
        deprecated="2025-06-01T00:00:00Z",
        retires="2025-12-01T00:00:00Z",
        max_tokens=4_096,
    ),
)


def as_model(given: str | FakeModel | Mapping[str, Any]) -> FakeModel:
    """Return a model for an id (with large's abilities), a FakeModel, or FakeModel's keywords."""
    if isinstance(given, FakeModel):
        return given
    if isinstance(given, str):
        return FakeModel(given, abilities=MODELS[0].abilities)
    values = dict(given)
    if "abilities" in values:
        values["abilities"] = capabilities(**values["abilities"])
    return FakeModel(**values)


def page(models: Iterable[FakeModel], query: Mapping[str, list[str]]) -> dict[str, Any]:
    """Answer `GET /v1/models`: newest first, `lifecycle` filter, `limit`, `after_id`, `before_id`."""
    stages = set(query.get("lifecycle[]", []) + query.get("lifecycle", [])) or {"active", "deprecated"}
    rows = sorted((m for m in models if m.lifecycle in stages), key=lambda m: m.created, reverse=True)
    ids = [m.id for m in rows]
    limit = int(query.get("limit", ["20"])[0])
    if "before_id" in query:
        end = ids.index(query["before_id"][0])
        start = max(0, end - limit)
        more = start > 0
    else:
        start = ids.index(query["after_id"][0]) + 1 if "after_id" in query else 0
        end = min(len(rows), start + limit)
        more = end < len(rows)
    chosen = rows[start:end]
    return {
        "data": [m.info() for m in chosen],
        "has_more": more,
        "first_id": chosen[0].id if chosen else None,
        "last_id": chosen[-1].id if chosen else None,
    }
