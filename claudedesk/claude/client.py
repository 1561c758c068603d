"""The one road to the API, and the only file that imports the SDK, which it does late and in the background.

`max_retries=0`: every retry is policy.py's. Key and URL are always passed; the SDK's own environment and
profiles are not consulted (SEC-18).
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from claudedesk.claude import words
from claudedesk.claude.events import Event
from claudedesk.config import Config
from claudedesk.errors import BadInput, ClaudeDeskError, KeyringError, NoKey, UpstreamError

if TYPE_CHECKING:
    import anthropic
    import httpx2

    from claudedesk.claude import transport

CONNECT_S: Final = 10
READ_S: Final = 75
"""Pings keep a live stream going; 75 s without a byte is a dead one (TRUST C1)."""
WRITE_S: Final = 60
POOL_S: Final = 10
LIST_S: Final = 10
"""The list of models is small and free; who waits for it waits no longer."""
MAX_BODY: Final = 32_000_000
"""The Messages API takes 32 MB at most; more is refused here, before it is uploaded (UP-07)."""
MAX_BLOCKS: Final = 10_000
"""Of one reply; a larger index is a fault of the stream that would fill the memory."""
_WORDS: Final = frozenset(("text", "thinking", "signature"))
DEMO_ORIGIN: Final = "http://demo.invalid"
_DELTAS: Final = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("json", "partial_json"),
}


class KeySource(Protocol):
    """What the client needs of the keystore: the key, and a number that rises when it changes."""

    @property
    def generation(self) -> int: ...
    def get(self) -> str | None: ...


class Claude:
    """Calls to the Messages and Models APIs. One SDK client per key; a new key's first call builds the next one."""

    def __init__(
        self,
        config: Config,
        keys: KeySource,
        *,
        transport: Callable[[], httpx2.BaseTransport] | None = None,
        demo_transport: Callable[[], httpx2.BaseTransport] | None = None,
    ) -> None:
        self.origin = config.api_url
        self._keys = keys
        self._transport = transport
        self._demo_transport = demo_transport
        self._lock = threading.Lock()
        self._built: tuple[int, anthropic.Anthropic] | None = None
        self._demo: anthropic.Anthropic | None = None

    @property
    def has_key(self) -> bool:
        """Whether there is a key to call with; a keyring that fails counts as none, and says why on a call."""
        try:
            return self._keys.get() is not None
        except KeyringError:
            return False

    def warm(self) -> threading.Thread:
        """Import the SDK and build the client in the background: the first call then costs 100 ms less or more."""
        thread = threading.Thread(target=self._warm, name="warm-sdk", daemon=True)
        thread.start()
        return thread

    def _warm(self) -> None:
        import genai_prices  # noqa: F401  0.1 s, needed by the first call's cost

        with contextlib.suppress(NoKey):
            self._client(demo=not self.has_key)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            for client in (self._built and self._built[1], self._demo):
                if client is not None:
                    client.close()
            self._built = self._demo = None

    def _client(self, *, demo: bool) -> anthropic.Anthropic:
        with self._lock:
            if demo:
                self._demo = self._demo or self._build("demo-needs-no-key", DEMO_ORIGIN, self._demo_http())
                return self._demo
            generation, key = self._keys.generation, self._keys.get()
            if key is None:
                raise NoKey("There is no API key yet. Add one in Settings, or try the offline demo.")
            if self._built is None or self._built[0] != generation:
                # A running stream ends on the old client, whose connections close once nobody refers to it (UP-25).
                self._built = (generation, self._build(key, self.origin, self._http()))
            return self._built[1]

    def _build(self, key: str, url: str, http: httpx2.Client) -> anthropic.Anthropic:
        with _without_sdk_environment():
            import anthropic  # inside: ANTHROPIC_LOG=debug, which logs prompts, is read at import

            return anthropic.Anthropic(
                api_key=key,
                base_url=url,
                max_retries=0,
                http_client=http,
                timeout=http.timeout,
                open_telemetry={"traces": False},
            )

    def _http(self) -> httpx2.Client:
        return _http_client(self._transport() if self._transport else None)

    def _demo_http(self) -> httpx2.Client:
        from claudedesk.claude.demo import DemoTransport

        return _http_client(self._demo_transport() if self._demo_transport else DemoTransport())

    def stream(self, body: Mapping[str, Any], stopper: Stopper, *, demo: bool = False) -> Iterator[Event]:
        """Post a request and yield what comes, as claude.events describes; `("headers", {…})` first.

        Ends without `("done",)` when the stream broke off cleanly. Raises NoKey, BadInput (too large) or
        UpstreamError; after `stopper.stop()` it simply ends.
        """
        check_size(body)
        client = self._client(demo=demo)
        failure: tuple[Exception, Exception | None] | None = None
        try:
            with stopper.watching(), client.messages.create(**body, stream=True) as stream:
                yield ("headers", dict(stream.response.headers))
                for event in stream:
                    made = _event(event)
                    if made is not None:
                        yield made
                    if stopper.stopped:
                        return
        except Exception as error:
            failure = None if stopper.stopped else (in_words(error), _harmless(error))
        # Raised out here, since an error raised above would carry the wire's own, which can quote the key.
        if failure is not None:
            raise failure[0] from failure[1]

    def list_models(self, *, demo: bool = False) -> Sequence[Mapping[str, Any]]:
        """Return all active and deprecated models as the API tells them, in its order. Raises as `stream`."""
        client = self._client(demo=demo)
        try:
            found = client.models.list(limit=1000, timeout=LIST_S)
            return [model.to_dict(mode="json", warnings=False) for model in found]
        except Exception as error:
            failure = in_words(error), _harmless(error)
        raise failure[0] from failure[1]


class Stopper:
    """Stops one call from another thread, in whatever state it is (TRUST fact 7)."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._handle: transport.Handle | None = None

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._event.is_set()

    def stop(self) -> None:
        """Cut the connection of the running call, and let no later one begin."""
        self._event.set()
        with self._lock:
            handle = self._handle
        if handle is not None:
            handle.abort()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Note the sockets that this thread uses meanwhile."""
        from claudedesk.claude import transport

        with transport.track() as handle:
            with self._lock:
                self._handle = handle
            if self.stopped:
                handle.abort()
            try:
                yield
            finally:
                with self._lock:
                    self._handle = None


def check_size(body: Mapping[str, Any]) -> None:
    """Raise BadInput when the body would pass the API's limit of 32 MB."""
    size = len(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
    if size > MAX_BODY:
        raise BadInput(
            f"The conversation has {size / 1e6:.0f} MB; Claude takes {MAX_BODY / 1e6:.0f} MB at most."
        )


def _http_client(wire: httpx2.BaseTransport | None) -> httpx2.Client:
    import httpx2

    timeout = httpx2.Timeout(connect=CONNECT_S, read=READ_S, write=WRITE_S, pool=POOL_S)
    if wire is not None:
        return httpx2.Client(transport=wire, timeout=timeout, follow_redirects=False)
    from claudedesk.claude import transport

    return transport.stoppable_client(timeout=timeout)


@contextlib.contextmanager
def _without_sdk_environment() -> Iterator[None]:
    """Hide what the SDK would read by itself (ANTHROPIC_CUSTOM_HEADERS has no argument that overrides it)."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("ANTHROPIC_")}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _event(event: Any) -> Event | None:
    """Return one of claude.events' tuples, or None for what nobody knows. Raises ValueError for what cannot be."""
    kind = event.type
    if kind.startswith("content_block_") and event.index not in range(MAX_BLOCKS):
        raise ValueError("no place for a content block")
    if kind == "content_block_delta":
        delta = event.delta
        known = _DELTAS.get(delta.type)
        if known:
            said = getattr(delta, known[1], None)
            if not isinstance(said, str):
                raise ValueError("a delta without its text")
            return (known[0], event.index, said)
        if delta.type == "citations_delta":
            return ("citation", event.index, delta.citation.to_dict(mode="json", warnings=False))
        return None
    if kind == "content_block_start":
        block = event.content_block.to_dict(mode="json", warnings=False)
        return ("start", event.index, {k: v for k, v in block.items() if v is not None or k not in _WORDS})
    if kind == "content_block_stop":
        return ("stop", event.index)
    if kind == "message_start":
        message = event.message
        return (
            "open",
            {
                "id": message.id,
                "model": message.model,
                "usage": message.usage.to_dict(mode="json", warnings=False),
            },
        )
    return _ending(event)


def _ending(event: Any) -> Event | None:
    if event.type == "message_delta":
        details = event.delta.stop_details
        return (
            "end",
            event.delta.stop_reason,
            details.to_dict(mode="json", warnings=False) if details else None,
            event.usage.to_dict(mode="json", warnings=False) if event.usage else {},
        )
    return ("done",) if event.type == "message_stop" else None


def in_words(error: Exception) -> Exception:
    """Return our error for what the SDK and the wire raise; classified by `type`, not by class or status.

    An `event: error` inside a stream has status 200, a cut stream is a bare httpx2 or JSON error (TRUST fact 8).
    """
    import anthropic
    import httpx2

    if isinstance(error, ClaudeDeskError):
        return error
    if isinstance(error, anthropic.APIStatusError):
        return _status_error(error)
    if isinstance(error, anthropic.APITimeoutError):
        return _ours("timeout")
    if isinstance(error, anthropic.APIConnectionError) and isinstance(error.__cause__, httpx2.DecodingError):
        return _ours("malformed")
    if isinstance(error, anthropic.APIConnectionError):
        return _ours(_why_unreachable(error))
    if isinstance(error, httpx2.TimeoutException):
        return _ours("silent")
    if isinstance(error, httpx2.HTTPError | httpx2.StreamError):
        return _ours("stream_cut")
    # Anything else came out of bytes that are no answer: JSON, Unicode, a shape the SDK cannot read.
    return _ours("malformed")


def _status_error(error: anthropic.APIStatusError) -> UpstreamError:
    status = error.status_code if error.status_code != 200 else None
    told = error.api_message or ""
    kind = "malformed" if status is None and error.type is None else words.kind_of(error.type, status)
    wait = _seconds(error.response.headers.get("retry-after"))
    return UpstreamError(
        words.sentence(kind, error_code=error.error_code, told=told[:500], wait=wait if status == 429 else 0),
        kind=kind,
        http_status=status,
        request_id=error.request_id,
        error_code=error.error_code,
        retry_after=wait,
        detail=told[:500],
    )


def _ours(kind: str) -> UpstreamError:
    return UpstreamError(words.OURS[kind], kind=kind)


def _why_unreachable(error: BaseException) -> str:
    """Tell an unusable key, DNS, a refused port, TLS and a proxy apart by what caused the SDK's error."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    names = {type(link).__name__ for link in chain}
    if "LocalProtocolError" in names:
        return "key_unusable"
    if "gaierror" in names:
        return "dns"
    if "ConnectionRefusedError" in names:
        return "refused"
    if names & {"SSLError", "SSLCertVerificationError", "SSLZeroReturnError", "SSLEOFError"}:
        return "tls"
    if "ProxyError" in names:
        return "proxy"
    if "RemoteProtocolError" in names or "ReadError" in names:
        return "stream_cut"
    return "connection"


def _harmless(error: Exception) -> Exception | None:
    """Return the cause to keep: the wire's own errors can quote the key (TRUST fact 6), so theirs is dropped."""
    import anthropic

    return None if isinstance(error, anthropic.APIConnectionError | ClaudeDeskError) else error


def _seconds(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None
