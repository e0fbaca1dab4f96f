"""Both clients against servers that answer late, wrongly, or not at all."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.client import AsyncClient, Client, ServiceError, calls
from serving.client.retries import asked_to_wait
from serving.schemas import Event

READY = b'{"status": "ready", "model_version": "m"}'
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """One answer of a server."""

    status: int = 200
    body: bytes = READY
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Scripted:
    """A server that says what it was given to say; the last answer is said for ever."""

    answers: list[Said]
    url: str = ""
    paths: list[str] = field(default_factory=list)

    def next(self, path: str) -> Said:
        """The answer to one more request."""
        self.paths.append(path)
        return self.answers[min(len(self.paths), len(self.answers)) - 1]


Serve = Callable[..., Scripted]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers that end with the test."""
    started: list[ThreadingHTTPServer] = []

    def start(*answers: Said) -> Scripted:
        script = Scripted(list(answers) or [Said()])

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                said = script.next(self.path)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response_only(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said.body)))
                self.end_headers()
                self.wfile.write(said.body)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        started.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        script.url = f"http://127.0.0.1:{server.server_port}"
        return script

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


Ask = Callable[..., Any]


def ask_and_wait(url: str, call: Callable[[Any], Any], **options: Any) -> Any:
    with Client(url, **options) as client:
        return call(client)


def ask_async(url: str, call: Callable[[Any], Any], **options: Any) -> Any:
    async def asked() -> Any:
        async with AsyncClient(url, **options) as client:
            return await call(client)

    return asyncio.run(asked())


@pytest.fixture(params=[ask_and_wait, ask_async])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks by one of the two clients."""
    asked: Ask = request.param
    return asked


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a client would have slept."""
    slept: list[float] = []

    async def passes(seconds: float) -> None:
        # asyncio's own way to let other tasks run is no wait.
        slept.extend([seconds] if seconds else [])

    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr("asyncio.sleep", passes)
    return slept


def ready(client: Any) -> Any:
    return client.ready()


def late(told: str, **headers: str) -> Said:
    return Said(503, b"busy", {"Retry-After": told, **headers})


def test_a_client_waits_as_long_as_it_is_asked_to(
    ask: Ask, serve: Serve, waits: list[float]
) -> None:
    noon = {"Date": format_datetime(NOON, usegmt=True)}
    until = format_datetime(NOON + timedelta(seconds=20), usegmt=True)
    server = serve(late("30"), late(until, **noon), Said())
    assert ask(server.url, ready, patience=60).model_version == "m"
    assert len(waits) == 2 and waits[0] >= 30 and waits[1] >= 20 and sum(waits) <= 60


def test_the_bound_itself_is_waited_for(ask: Ask, serve: Serve, waits: list[float]) -> None:
    assert ask(serve(late("60"), Said()).url, ready, patience=60).model_version == "m"
    assert waits == [60]


@pytest.mark.parametrize("told", ["31", "9" * 400, "Tue, 01 Jan 2999 00:00:00 GMT"])
def test_a_longer_wait_than_the_bound_is_an_error_at_once_that_says_so(
    ask: Ask, serve: Serve, waits: list[float], told: str
) -> None:
    server = serve(late(told))
    with pytest.raises(ServiceError, match=r"asks to wait .* waits 30 s in all") as refused:
        ask(server.url, ready, patience=30)
    assert refused.value.status == 503 and len(server.paths) == 1 and waits == []
    assert refused.value.retry_after is not None and refused.value.retry_after > 30


def test_the_bound_holds_for_all_waits_of_a_call(
    ask: Ask, serve: Serve, waits: list[float]
) -> None:
    server = serve(late("25"))
    with pytest.raises(ServiceError, match="asks to wait 25 s"):
        ask(server.url, ready, patience=60, attempts=100)
    assert 2 <= len(server.paths) <= 3 and sum(waits) <= 60


@pytest.mark.parametrize("told", ["soon", "-5", "1.5", "²", "", "Sun, 99 Nov 1994 08:49:37 GMT"])
def test_a_wait_that_cannot_be_read_is_none(told: str) -> None:
    assert asked_to_wait(httpx.Response(503, headers={b"Retry-After": told.encode()})) is None


def test_an_instant_that_has_passed_is_no_wait() -> None:
    past = {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}
    assert asked_to_wait(httpx.Response(503, headers=past)) == 0


def page(status: int) -> Said:
    return Said(status, b"<html>Sign in</html>", {"Content-Type": "text/html; charset=utf-8"})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (page(200), "text/html"),
        (Said(200, b""), "model_version"),
        (Said(200, b'{"status": "ready"}'), "model_version"),
        (Said(200, b'{"status": "ready", "model_version": 5}'), "model_version"),
        (Said(200, b"[]"), "GET /readyz"),
        (Said(200, b"\xff\xfe{"), "GET /readyz"),
        (Said(200, b"[" * 10_000), "GET /readyz"),
        (Said(200, READY, {"Content-Encoding": "gzip"}), "cannot be unpacked"),
        (Said(302, b"", {"Location": "/sign-in"}), "302"),
        (page(404), "text/html"),
        (Said(500, b'{"message": "boom"}', {"Content-Type": "application/json"}), "500"),
        (page(502), "502"),
    ],
)
def test_whatever_is_no_answer_of_the_service_is_a_service_error(
    ask: Ask, serve: Serve, waits: list[float], said: Said, told: str
) -> None:
    with pytest.raises(ServiceError) as refused:
        ask(serve(said).url, ready)
    assert told in str(refused.value) and len(str(refused.value)) < 400
    assert refused.value.status in (said.status, 0)


PLACES: dict[str, Callable[[Any, str], Any]] = {
    "/v1/users/{}/recommendations": lambda client, name: client.recommendations(name),
    "/v1/items/{}/similar": lambda client, name: client.similar(name),
    "/v1/items/{}": lambda client, name: client.item(name),
    "/v1/events/{}": lambda client, name: client.undo(name),
    "/v1/items/x/media/{}": lambda client, name: client.put_media("x", name, b""),
    "/v1/features/{}": lambda client, name: client.features(name, {}),
}
NAMES = [
    "a/b",
    "50%",
    "%2F",
    "what?",
    "#1",
    "a b",
    "ä/ö",
    "💡",
    "..%2F",
    "...",
    ";v=1",
    "a+b",
    "a&b",
]


@pytest.mark.parametrize("name", NAMES)
def test_an_id_reaches_the_service_as_it_is(ask: Ask, serve: Serve, name: str) -> None:
    for place, call in PLACES.items():
        server = serve(Said(404, b""))
        with pytest.raises(ServiceError):
            ask(server.url, lambda client, call=call: call(client, name))
        before, after = place.split("{}")
        path = server.paths[0].split("?")[0]
        assert path.startswith(before) and path.endswith(after)
        part = path.removeprefix(before).removesuffix(after)
        assert unquote(part) == name and not set(part) & set("/?#")


@given(st.text(min_size=1).filter(lambda name: name not in (".", "..")))
def test_any_text_is_one_part_of_a_path(name: str) -> None:
    with httpx.Client(base_url="http://127.0.0.1") as http:
        sent = calls.delete_item(name).request(http).url.raw_path.decode()
    assert unquote(sent.removeprefix("/v1/items/")) == name and sent.count("/") == 3


@pytest.mark.parametrize("name", ["", ".", "..", "half a \ud83d"])
def test_an_id_that_no_path_can_hold_is_refused_and_nothing_is_sent(
    ask: Ask, serve: Serve, name: str
) -> None:
    for call in PLACES.values():
        server = serve()
        with pytest.raises(ServiceError) as refused:
            ask(server.url, lambda client, call=call: call(client, name))
        assert refused.value.status == 422 and refused.value.errors[0].field.startswith("path.")
        assert server.paths == []


def test_an_address_that_can_never_answer_is_tried_once(ask: Ask, waits: list[float]) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        ask("localhost:8000", ready)
    assert waits == []


def test_both_clients_have_the_same_methods_and_settings() -> None:
    def public(kind: type) -> dict[str, str]:
        return {
            name: str(inspect.signature(made))
            for name, made in vars(kind).items()
            if inspect.isfunction(made) and (name == "__init__" or not name.startswith("_"))
        }

    assert public(Client) == public(AsyncClient)


def test_a_time_without_a_zone_is_refused_before_it_is_sent() -> None:
    told = {"event_id": "1", "user_id": "u", "item_id": "i", "type": "click"}
    with pytest.raises(ValueError, match=r"no zone.*add Z for UTC"):
        Event(**told, timestamp=datetime(2024, 5, 1, 10))
    assert Event(**told, timestamp=NOON).timestamp == NOON
