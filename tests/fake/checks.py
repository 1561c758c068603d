"""What the API refuses, in its order: key, version, body, model, parameters, messages, size."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from fake.errors import ApiError
from fake.models import EFFORTS, FakeModel
from fake.tokens import as_blocks, count_prompt

MAX_BODY = 32 * 1024 * 1024
CREATE = {
    *("max_tokens", "messages", "model", "cache_control", "container", "diagnostics", "inference_geo"),
    *("metadata", "output_config", "service_tier", "speed", "stop_sequences", "stream", "system"),
    *("thinking", "tool_choice", "tools"),
}
COUNT = {
    *("messages", "model", "cache_control", "output_config", "speed", "system", "thinking", "tool_choice"),
    "tools",
}
BLOCKS = {
    *(
        "text",
        "image",
        "document",
        "search_result",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "tool_result",
    ),
    *("server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result"),
    *("bash_code_execution_tool_result", "text_editor_code_execution_tool_result"),
    *("tool_search_tool_result", "container_upload"),
    "future_block",  # what `Reply(unknown=True)` sends may come back, as with the real API
}
_SECRET = b"the fake signs its thoughts with this"


def sign(model: str, words: str) -> str:
    """Mint the signature of a thinking block: it holds for this model and these words only."""
    mac = hmac.new(_SECRET, f"{model}\0{words}".encode(), hashlib.sha256).digest()
    return base64.b64encode(b"fake" + mac).decode()


def redact(model: str, words: str) -> str:
    """Mint the `data` of a redacted_thinking block."""
    hidden = base64.b64encode(words.encode()).decode()
    return f"{hidden}.{sign(model, hidden)}"


def check_key(headers: Mapping[str, str], keys: set[str]) -> str:
    """Return the key of a request. Raises ApiError 401 when there is none or it is not known."""
    bearer = headers.get("authorization", "")
    key = bearer[7:] if bearer.startswith("Bearer ") else headers.get("x-api-key", "")
    if not key:
        raise ApiError(401, "x-api-key header is required")
    if key not in keys:
        raise ApiError(401, "invalid x-api-key")
    return key


def check_version(headers: Mapping[str, str]) -> None:
    """Raise ApiError 400 without `anthropic-version`."""
    if not headers.get("anthropic-version"):
        raise ApiError(400, "anthropic-version: header is required")


def parse(raw: bytes) -> dict[str, Any]:
    """Return the JSON body. Raises ApiError 413 above 32 MB and 400 when it is no JSON object."""
    if len(raw) > MAX_BODY:
        raise ApiError(413, "Request exceeds the maximum size")
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise ApiError(400, "The request body is not a JSON object")
    return body


def check_model(body: Mapping[str, Any], models: Mapping[str, FakeModel]) -> FakeModel:
    """Return the model. Raises ApiError 404 for an unknown or retired one, as the API does since 2026."""
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise ApiError(400, "model: Field required")
    model = models.get(name)
    if model is None or model.lifecycle == "retired":
        raise ApiError(404, f"model: {name}")
    return model


def check_body(body: Mapping[str, Any], model: FakeModel, allowed: set[str]) -> None:
    """Check parameters and messages. Raises ApiError 400 with the field's name in front."""
    for name in body:
        if name not in allowed:
            raise ApiError(400, f"{name}: Extra inputs are not permitted")
    if "max_tokens" in allowed:
        _check_max_tokens(body.get("max_tokens"), model)
    _check_thinking(body.get("thinking"), body.get("max_tokens"), model)
    _check_effort(body.get("output_config"), model)
    _check_messages(body.get("messages"), model)
    tokens = count_prompt(body)
    if tokens > model.max_input_tokens:
        raise ApiError(400, f"prompt is too long: {tokens} tokens > {model.max_input_tokens} maximum")


def _check_max_tokens(value: Any, model: FakeModel) -> None:
    if value is None:
        raise ApiError(400, "max_tokens: Field required")
    if not isinstance(value, int) or value < 0:
        raise ApiError(400, "max_tokens: Input should be a valid integer, at least 0")
    if value > model.max_tokens:
        limit = f"which is the maximum allowed number of output tokens for {model.id}"
        raise ApiError(400, f"max_tokens: {value} > {model.max_tokens}, {limit}")


def _check_thinking(thinking: Any, max_tokens: Any, model: FakeModel) -> None:
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if not model.can("thinking", "types", str(kind)):
        raise ApiError(400, f"thinking.type: '{kind}' is not supported for this model")
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < 1024:
            raise ApiError(
                400, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
            )
        if isinstance(max_tokens, int) and budget >= max_tokens:
            raise ApiError(400, "`max_tokens` must be greater than `thinking.budget_tokens`")
    if thinking.get("display") not in (None, "summarized", "omitted"):
        raise ApiError(400, "thinking.display: Input should be 'summarized' or 'omitted'")


def _check_effort(config: Any, model: FakeModel) -> None:
    level = (config or {}).get("effort")
    if level is None:
        return
    if level not in EFFORTS:
        raise ApiError(400, f"output_config.effort: Input should be one of {', '.join(EFFORTS)}")
    if not model.can("effort", level):
        raise ApiError(400, f"output_config.effort: '{level}' is not supported for this model")


def _check_messages(messages: Any, model: FakeModel) -> None:
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "messages: at least one message is required")
    for number, message in enumerate(messages):
        place = f"messages.{number}"
        if message.get("role") not in ("user", "assistant", "system"):
            raise ApiError(400, f"{place}.role: Input should be 'user', 'assistant' or 'system'")
        _check_content(message.get("content"), place, model)
    if messages[0]["role"] != "user":
        raise ApiError(400, 'messages: first message must use the "user" role')
    if messages[-1]["role"] == "assistant":
        words = "This model does not support assistant message prefill."
        raise ApiError(400, f"{words} The conversation must end with a user message.")
    _check_tool_results(messages)


def _check_content(content: Any, place: str, model: FakeModel) -> None:
    if not isinstance(content, (str, list)) or not content:
        raise ApiError(400, f"{place}: all messages must have non-empty content")
    for index, block in enumerate(as_blocks(content)):
        _check_block(block, f"{place}.content.{index}", model)


def _check_block(block: Mapping[str, Any], place: str, model: FakeModel) -> None:
    kind = block.get("type")
    if kind not in BLOCKS:
        raise ApiError(400, f"{place}.type: Input tag '{kind}' does not match any of the expected tags")
    if kind == "text" and not str(block.get("text", "")).strip():
        raise ApiError(400, f"{place}: text content blocks must contain non-whitespace text")
    if kind == "image" and not model.can("image_input"):
        raise ApiError(400, f"{place}: this model does not support image input")
    if kind == "document" and not model.can("pdf_input"):
        raise ApiError(400, f"{place}: this model does not support PDF input")
    if kind == "thinking" and block.get("signature") != sign(model.id, str(block.get("thinking", ""))):
        raise ApiError(400, f"{place}: Invalid `signature` in `thinking` block")
    if kind == "redacted_thinking":
        hidden, _, mac = str(block.get("data", "")).partition(".")
        if mac != sign(model.id, hidden):
            raise ApiError(400, f"{place}: Invalid `data` in `redacted_thinking` block")


def _check_tool_results(messages: list[dict[str, Any]]) -> None:
    for number, message in enumerate(messages):
        asked = {b.get("id") for b in as_blocks(message["content"]) if b.get("type") == "tool_use"}
        after = as_blocks(messages[number + 1]["content"]) if number + 1 < len(messages) else []
        missing = asked - {b.get("tool_use_id") for b in after if b.get("type") == "tool_result"}
        if missing:
            ids = ", ".join(sorted(str(one) for one in missing))
            words = "`tool_use` ids were found without `tool_result` blocks immediately after"
            raise ApiError(400, f"messages.{number}: {words}: {ids}")
