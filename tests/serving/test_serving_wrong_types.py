"""What cannot be used is refused in the words of JSON: no caller meets a Python object."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.schemas import Event, ItemDescription

PROBLEM = "application/problem+json"
PYTHON = re.compile(
    r"<class|object at 0x|\bdictionary\b|\binstance\b|\bNone\b|NoneType|[Vv]alue error|validator|"
    r"\bdatetime\.|Decimal\(|\w+Error\b|_\w+\(|\bunicode string\b|\bvalid list\b|ctx|\bstr\b|"
    r"\bbool\b|\bdict\b|\btuple\b|extract fields|Traceback"
)
VALID: dict[str, dict[str, Any]] = {
    "/v1/recommendations": {},
    "/v1/rank": {"items": ["a"]},
    "/v1/search": {"text": "rain"},
    "/v1/events": {"event_id": "e", "user_id": "u", "item_id": "i", "type": "click"},
    "/v1/features/ranking": {"keys": {}},
    "/v1/items/new": {"title": "A title"},
}
# Words of callers come back to them; these are none of Python's.
WORDS = st.text(alphabet="qxz \n%/\u00e4\U0001f4a1", max_size=5)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)


def send(asking: TestClient, path: str, body: Any) -> Any:
    method = "PUT" if path.startswith("/v1/items") else "POST"
    headers = {"Content-Type": "application/json"}
    return asking.request(method, path, content=json.dumps(body), headers=headers)


def fields_of(described: dict[str, Any], path: str) -> list[str]:
    """Names of the fields of a body, as the description of the calls has them."""
    name = {"/v1/features/ranking": "/v1/features/{feature_service}"}.get(path, path)
    name = "/v1/items/{item_id}" if path == "/v1/items/new" else name
    calls = described["paths"][name].values()
    call = next(one for one in calls if "requestBody" in one)
    schema = call["requestBody"]["content"]["application/json"]["schema"]
    parts = [schema, *schema.get("oneOf", []), *schema.get("anyOf", [])]
    named = [part["$ref"].rpartition("/")[2] for part in parts if "$ref" in part]
    models = described["components"]["schemas"]
    return [field for model in named for field in models[model]["properties"]]


@pytest.fixture(scope="module")
def places(asking: TestClient) -> list[tuple[str, str | None]]:
    """Every field of every body, and every body itself."""
    described = asking.get("/openapi.json").json()
    found: list[tuple[str, str | None]] = []
    for path in VALID:
        names = fields_of(described, path)
        assert names, path
        found += [(path, None), *((path, name) for name in names)]
    return found


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_sent_no_answer_shows_a_python_object(
    asking: TestClient, places: list[tuple[str, str | None]], data: st.DataObject
) -> None:
    path, name = data.draw(st.sampled_from(places))
    value: Any = data.draw(ANYTHING)
    body = value if name is None else {**VALID[path], name: value}
    # An item that can be put would change the catalogue of the other tests.
    if path.startswith("/v1/items"):
        body = {**body, "title": ""} if isinstance(body, dict) and name != "title" else body
        body = {**body, "categories": 5} if name == "title" else body
    answer = send(asking, path, body)
    assert answer.status_code in (200, 404, 422), answer.text
    if answer.status_code != 200:
        assert answer.headers["content-type"] == PROBLEM
        assert PYTHON.search(answer.text) is None, answer.text
        assert all(error["field"] for error in answer.json()["errors"])


@pytest.mark.slow
def test_no_parameter_of_any_route_is_refused_with_a_python_object(asking: TestClient) -> None:
    described = asking.get("/openapi.json").json()
    tried = 0
    for path, calls in described["paths"].items():
        for one in calls.get("get", {}).get("parameters", ()):
            place = re.sub(r"\{\w+\}", "x", path)
            for wrong in ("", "xyz", "-1", "1.5", "9" * 5000, "%00"):
                if one["in"] != "query":
                    continue
                answer = asking.get(f"{place}?{one['name']}={wrong}")
                assert answer.status_code in (200, 404, 422), answer.text
                assert answer.status_code == 200 or not PYTHON.search(answer.text), answer.text
                tried += 1
    assert tried > 50


BROKEN = [
    (b"{", "at character 2"),
    (b"{'item_id': 1}", "double quotes, at character 2"),
    (b'{"text": "rain",}', "at character 17"),
    (b'{"text": "\x01"}', "control character, at character 11"),
    (b'{"text": "\xff"}', "not in UTF-8"),
    (b"[" * 50_000, "nested too deeply"),
    (b"9" * 5000, "too many digits"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("body", "told"), BROKEN)
def test_what_is_no_json_is_400_and_says_where(asking: TestClient, body: bytes, told: str) -> None:
    answer = asking.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and answer.headers["content-type"] == PROBLEM
    (error,) = answer.json()["errors"]
    assert error["field"] == "body" and told in error["message"]
    assert PYTHON.search(answer.text) is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_json_that_is_not_called_so_is_refused_with_the_way_out(
    asking: TestClient, kind: str
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = asking.post("/v1/search", content=b'{"text": "rain"}', headers=headers)
    assert answer.status_code == 422
    assert "Content-Type: application/json" in answer.json()["errors"][0]["message"]


@pytest.mark.slow
def test_every_call_with_a_body_says_that_it_may_be_too_long_or_no_json(
    asking: TestClient,
) -> None:
    calls = [
        (path, call)
        for path, methods in asking.get("/openapi.json").json()["paths"].items()
        for call in methods.values()
        if "requestBody" in call
    ]
    assert len(calls) >= 7
    assert [path for path, call in calls if not {"400", "413"} <= call["responses"].keys()] == []


EVENT = {"event_id": "e", "user_id": "u", "item_id": "i", "type": "click"}


def refused(sent: object) -> str:
    with pytest.raises(ValueError) as error:
        Event.model_validate({**EVENT, "timestamp": sent})
    with pytest.raises(ValueError, match="created_at"):
        ItemDescription.model_validate({"title": "t", "created_at": sent})
    assert "timestamp" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("2024-05-01T10:00:00", "add Z for UTC"),
        ("2024-05-01 10:00", "add Z for UTC"),
        ("9999-12-31T23:59:59", "add Z for UTC"),
        ("2024-05-01", "such as 2024-05-01T00:00:00Z"),
        ("1714557600", "seconds or milliseconds"),
        ("1714557600000", "seconds or milliseconds"),
        ("1714557600.5", "seconds or milliseconds"),
        ("-1", "seconds or milliseconds"),
        (1714557600, "text, such as"),
        (True, "text, such as"),
        (datetime(2024, 5, 1, 10), "add Z for UTC"),
    ],
)
def test_an_instant_that_can_be_read_in_two_ways_is_refused(sent: object, told: str) -> None:
    assert told in refused(sent)


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_an_instant_is_the_same_in_every_zone(then: datetime, zone: timezone) -> None:
    then = then.replace(tzinfo=UTC)
    event = Event.model_validate({**EVENT, "timestamp": then.astimezone(zone).isoformat()})
    assert event.timestamp == then
    again = Event.model_validate_json(event.model_dump_json())
    assert again.timestamp == then


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("2024-05-01T10:00:00", "no zone"),
        ("2024-05-01", "date alone"),
        ("1969-12-31T23:59:59Z", "before 1970"),
        ("9999-12-31T23:59:59-12:00", "in the future"),
        ("0001-01-01T00:00:00+14:00", "before 1970"),
        ("yesterday", "no instant such as 2026-01-31T18:00:00Z"),
    ],
)
def test_a_time_that_cannot_be_used_names_its_field_and_the_way_out(
    asking: TestClient, sent: str, told: str
) -> None:
    item = asking.get("/v1/items?k=1").json()["items"][0]["item_id"]
    event = {**EVENT, "item_id": item, "timestamp": sent}
    answer = asking.post("/v1/events", json={"events": [event]})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "body.events.0.timestamp" and told in error["message"]
