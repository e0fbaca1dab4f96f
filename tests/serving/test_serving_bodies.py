"""Bodies: who sends them is known first, and they are bounded in size, in time and in number."""

import asyncio
import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import APIRouter, Body, FastAPI, Request
from prometheus_text import figure
from starlette.types import Message, Receive, Scope, Send

from crossmodal.settings import Settings
from serving.bodies import MOST_VALUES, Bodies
from serving.connections import BoundedHeads
from serving.crowding import MostAtOnce
from serving.guarded import guarded
from serving.keys import KeyRing
from serving.lingering import Lingering
from serving.measured import Measured
from serving.metrics import Metrics
from serving.problems import handle_problems
from serving.rate_limit import RateLimit

LONG = 60.0
"""Seconds that no test waits for."""

HEAD = "{} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


class Small:
    """A service with routes as the real one has them, and nothing behind them."""

    def __init__(self, home: Path, **bounds: Any) -> None:
        times = {"serve_header_seconds": LONG, "serve_body_seconds": LONG}
        self.settings = Settings(home=home, **{**times, **bounds})
        self.ring = KeyRing(home / "keys.json")
        self.metrics = Metrics()
        self.app = FastAPI()
        self.app.state.keys = self.ring
        self.app.state.rate_limit = RateLimit(home / "limits.db", 0.01, 100)
        self.app.state.bodies = Bodies(self.settings)
        handle_problems(self.app)
        router = APIRouter(route_class=guarded("events"))
        router.post("/events")(self._json)
        router.put("/files")(self._file)
        router.get("/list")(lambda: "a list")
        self.app.include_router(router)
        self.app.add_middleware(MostAtOnce, most=self.settings.serve_requests_at_once)
        self.app.add_middleware(Measured, metrics=self.metrics)
        self.app.add_middleware(Lingering, seconds=self.settings.serve_header_seconds)

    async def _json(self, sent: Any = Body()) -> int:  # noqa: B008
        return len(sent)

    async def _file(self, request: Request) -> int:
        return len(await request.body())

    @contextmanager
    def listening(self) -> Iterator[int]:
        """The port on which it answers, for the block."""
        head_seconds = self.settings.serve_header_seconds
        config = uvicorn.Config(
            self.app,
            log_config=None,
            lifespan="off",
            http=partial(BoundedHeads, head_seconds=head_seconds),  # type: ignore[arg-type]
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                yield listener.getsockname()[1]
            finally:
                server.should_exit = True
                thread.join()

    def answered(self, route: str, status: int) -> float:
        """Requests of a route that ended in a status."""
        for method in ("GET", "POST", "PUT"):
            # What Feast's server has set for figures lets a new one begin with those of before.
            self.metrics.requests.labels(route, method, status)
        text = self.metrics.text().decode()
        return figure(text, "crossmodal_requests_total", route=route, status=str(status))


class Caller:
    """A connection on which one says what one likes."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LONG / 2)
        self._read = self.socket.makefile("rb")

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()
        self.socket.close()

    def say(self, *parts: str | bytes) -> "Caller":
        self.socket.sendall(b"".join(p.encode() if isinstance(p, str) else p for p in parts))
        return self

    def hears(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        status = int(self._read.readline().split()[1])
        headers = {}
        while line := self._read.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        return status, headers, self._read.read(int(headers.get("content-length", 0)))

    def is_hung_up_on(self) -> bool:
        """Waits for what the service says next: True where it closes the connection."""
        return self._read.read(1) == b""


def begun(what: str, length: int, *more: str) -> str:
    """The head of a request with a body of some length."""
    return (
        HEAD.format(what)
        + "".join(f"{one}\r\n" for one in more)
        + f"Content-Length: {length}\r\n\r\n"
    )


@pytest.mark.parametrize(
    "said", ["", "GET /list HTT", "GET /list HTTP/1.1\r\nHost: local", "\r\n\r\n"]
)
def test_half_a_head_is_not_waited_for(tmp_path: Path, said: str) -> None:
    with Small(tmp_path, serve_header_seconds=0.2).listening() as port, Caller(port) as caller:
        assert caller.say(said).is_hung_up_on()


def test_half_a_second_head_is_not_waited_for(tmp_path: Path) -> None:
    with Small(tmp_path, serve_header_seconds=0.5).listening() as port, Caller(port) as caller:
        assert caller.say("GET /list HTTP/1.1\r\nHost: a\r\n\r\n").hears()[0] == 200
        assert caller.say("GET /list HTTP/1.1\r\nHo").is_hung_up_on()


@pytest.mark.parametrize(
    "said",
    [
        "GET /list HTTP/1.1\r\nX: " + "a" * 70_000,
        "GET /list HTTP/1.1\r\nHost: a\r\nX: " + "a" * 66_000 + "\r\n\r\n",
        "GET /list HTTP/1.1\r\nHost: a\r\n" + "X: 1234567890\r\n" * 6_000 + "\r\n",
        "GET /list?q=" + "a" * 70_000 + " HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["without end", "one field", "many fields", "the address"],
)
def test_a_head_that_is_too_long_is_refused(tmp_path: Path, said: str) -> None:
    with Small(tmp_path).listening() as port, Caller(port) as caller:
        status, headers, body = caller.say(said).hears()
        assert status == 431 and headers["content-type"] == "application/problem+json"
        assert "longer than 64 KB" in json.loads(body)["detail"]
        assert caller.is_hung_up_on()


def test_a_head_of_nearly_64_kb_is_read(tmp_path: Path) -> None:
    field = "X: " + "a" * 65_000
    with Small(tmp_path).listening() as port, Caller(port) as caller:
        for _ in range(2):
            said = f"GET /list HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"
            assert caller.say(said).hears()[0] == 200


def test_what_is_no_request_is_a_problem_document(tmp_path: Path) -> None:
    with Small(tmp_path).listening() as port, Caller(port) as caller:
        status, headers, body = caller.say("HELLO\r\n\r\n").hears()
        assert status == 400 and headers["content-type"] == "application/problem+json"
        assert "no request in HTTP/1.1" in json.loads(body)["detail"]


@pytest.mark.parametrize("what", ["POST /events", "PUT /files"])
@pytest.mark.parametrize("sent", ["", "[1, 2,"])
def test_half_a_body_ends_in_408(tmp_path: Path, what: str, sent: str) -> None:
    service = Small(tmp_path, serve_body_seconds=0.2)
    with service.listening() as port, Caller(port) as caller:
        status, headers, body = caller.say(begun(what, 100), sent).hears()
        assert status == 408 and headers["content-type"] == "application/problem+json"
        assert "too slowly" in json.loads(body)["detail"]
        assert caller.is_hung_up_on()


def test_a_byte_at_a_time_is_too_slow_though_none_is_late(tmp_path: Path) -> None:
    service = Small(tmp_path, serve_body_seconds=1.0, serve_body_pace=1_000_000)
    stop = threading.Event()
    with service.listening() as port, Caller(port) as caller:
        caller.say(begun("PUT /files", 1_000_000))

        def drip() -> None:
            while not stop.wait(0.05):
                caller.say(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert caller.hears()[0] == 408
        finally:
            stop.set()
            dripping.join()


def test_who_has_no_key_is_answered_before_the_body_is_there(tmp_path: Path) -> None:
    service = Small(tmp_path)
    keys = {scope: service.ring.add(scope, [scope]) for scope in ("read", "events")}
    reader = f"Authorization: Bearer {keys['read']}"
    with service.listening() as port:
        for what in ("POST /events", "PUT /files"):
            for more, expected in (((), 401), ((reader,), 403)):
                with Caller(port) as caller:
                    asked = begun(what, 15_000_000, "Expect: 100-continue", *more)
                    assert caller.say(asked).hears()[0] == expected
        # Clients that send all the same hear of it too, also where they close after it.
        nested = b"[" + b"[]," * 4_900_000 + b"[]]"
        for close in ((), ("Connection: close",)):
            with Caller(port) as caller:
                caller.say(begun("POST /events", len(nested), *close), nested)
                assert caller.hears()[0] == 401


def test_bodies_of_the_refused_that_never_come_take_no_place_from_others(tmp_path: Path) -> None:
    service = Small(tmp_path, serve_requests_at_once=2)
    key = f"Authorization: Bearer {service.ring.add('events', ['events'])}"
    wrong = f"{key}x"
    before = service.answered("/events", 401)
    with service.listening() as port, ExitStack() as open_:
        for more in ((), (wrong,), ()):
            refused = open_.enter_context(Caller(port))
            assert refused.say(begun("POST /events", 5, *more)).hears()[0] == 401
        other = open_.enter_context(Caller(port))
        assert other.say(f"GET /list HTTP/1.1\r\nHost: a\r\n{key}\r\n\r\n").hears()[0] == 200
        assert service.answered("/events", 401) - before == 3, "they count as answered"


@pytest.mark.parametrize(
    "body",
    [b"[" + b"[]," * MOST_VALUES + b"[]]", b"[" * (MOST_VALUES + 1), b'{"a":' * (MOST_VALUES + 1)],
)
def test_a_body_of_countless_values_is_not_parsed(tmp_path: Path, body: bytes) -> None:
    with Small(tmp_path).listening() as port, Caller(port) as caller:
        status, _, said = caller.say(begun("POST /events", len(body)), body).hears()
        assert status == 413 and str(MOST_VALUES) in json.loads(said)["detail"]


def test_deep_nesting_is_refused_and_stops_nothing(tmp_path: Path) -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    with Small(tmp_path).listening() as port, Caller(port) as caller:
        assert caller.say(begun("POST /events", len(deep)), deep).hears()[0] in (400, 422)
        assert caller.say("GET /list HTTP/1.1\r\nHost: a\r\n\r\n").hears()[0] == 200


def test_json_has_a_bound_of_its_own_and_files_the_one_that_is_set(tmp_path: Path) -> None:
    service = Small(tmp_path, serve_max_body_bytes=3_000_000)
    text = b'"' + b"x" * 2_100_000 + b'"'
    with service.listening() as port:
        with Caller(port) as caller:
            assert caller.say(begun("POST /events", len(text)), text).hears()[0] == 413
        with Caller(port) as caller:
            assert caller.say(begun("PUT /files", len(text)), text).hears()[0] == 200
        chunked = HEAD.format("PUT /files") + "Transfer-Encoding: chunked\r\n\r\n"
        with Caller(port) as caller:
            # Longer than it may be, and does not say so before.
            part = b"%x\r\n%b\r\n" % (1_000_000, b"x" * 1_000_000)
            assert caller.say(chunked, part * 4, b"0\r\n\r\n").hears()[0] == 413


def held(port: int, what: str, open_: ExitStack) -> Caller:
    """A caller whose request the service has begun to read."""
    caller = open_.enter_context(Caller(port))
    assert caller.say(begun(what, 900_000, "Expect: 100-continue")).hears()[0] == 100
    return caller


def test_no_more_bodies_are_read_at_once_than_there_are_places(tmp_path: Path) -> None:
    service = Small(tmp_path, serve_requests_at_once=4)
    with service.listening() as port, ExitStack() as open_:
        callers = [held(port, what, open_) for what in ("PUT /files", "POST /events")]
        late = open_.enter_context(Caller(port)).say(begun("POST /events", 2), "[]")
        status, headers, _ = late.hears()
        assert status == 503 and headers["retry-after"] == "1"
        assert late.say("GET /list HTTP/1.1\r\nHost: a\r\n\r\n").hears()[0] == 200
        assert callers[0].say(b"x" * 900_000).hears()[0] == 200
        assert late.say(begun("POST /events", 2), "[]").hears()[0] == 200


def test_held_uploads_hold_no_more_memory_than_is_set(tmp_path: Path) -> None:
    service = Small(tmp_path, serve_held_bytes=1_000_000, serve_max_body_bytes=1_000_000)
    with service.listening() as port, ExitStack() as open_:
        waiting = {
            caller.socket: caller for caller in (held(port, "PUT /files", open_) for _ in "ab")
        }
        for caller in waiting.values():
            caller.say(b"x" * 800_000)
        (refused,), _, _ = select.select(list(waiting), [], [], LONG)
        assert waiting.pop(refused).hears()[0] == 503
        event = open_.enter_context(Caller(port))
        assert event.say(begun("POST /events", 2), "[]").hears()[0] == 200, "small ones pass"
        (other,) = waiting.values()
        assert other.say(b"x" * 100_000).hears()[0] == 200
        again = held(port, "PUT /files", open_)
        assert again.say(b"x" * 900_000).hears()[0] == 200, "what was held is let go of"


@pytest.mark.parametrize(("what", "route"), [("PUT /files", "/files"), ("POST /events", "/events")])
def test_a_client_that_goes_away_is_no_failure(
    tmp_path: Path, what: str, route: str, caplog: pytest.LogCaptureFixture
) -> None:
    service = Small(tmp_path)
    before = service.answered(route, 499)
    with service.listening() as port:
        for _ in range(5):
            with ExitStack() as open_:
                held(port, what, open_).say(b"x" * 1000)
    assert service.answered(route, 499) - before >= 5
    assert service.answered(route, 500) == 0 and not caplog.records


def test_half_a_body_does_not_keep_the_service_from_ending(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Small(tmp_path)
    with ExitStack() as open_:
        with service.listening() as port:
            callers = [held(port, what, open_) for what in ("PUT /files", "POST /events")]
        for caller in callers:
            status, headers, body = caller.hears()
            assert status == 503 and "retry-after" in headers
            assert "being stopped" in json.loads(body)["detail"]
    assert not [one for one in caplog.records if one.exc_info], "nobody made a mistake"


def test_no_more_requests_are_answered_at_once_than_is_set() -> None:
    sent: list[Message] = []

    async def crowd() -> None:
        free, begun = asyncio.Event(), asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            begun.set()
            await free.wait()
            await send({"type": "http.response.start", "status": 200})

        async def say(message: Message) -> None:
            sent.append(message)

        async def ask(path: str) -> None:
            scope = {"type": "http", "path": path, "method": "GET", "headers": []}
            await service(scope, unheard, say)

        service = MostAtOnce(slow, 1)
        first = asyncio.create_task(ask("/v1/items"))
        await begun.wait()
        await ask("/v1/items")
        probe = asyncio.create_task(ask("/healthz"))
        free.set()
        await asyncio.gather(first, probe)
        await ask("/v1/items")

    asyncio.run(crowd())
    starts = [one for one in sent if one["type"] == "http.response.start"]
    assert [one["status"] for one in starts] == [503, 200, 200, 200]
    assert (b"retry-after", b"1") in starts[0]["headers"]


async def unheard() -> Message:
    raise AssertionError("no body is asked for")
