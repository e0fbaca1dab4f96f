"""Who is told that something must be done: once when it begins, and once when it has passed."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import polars as pl
import pytest
from pydantic import SecretStr
from small_platform import small_settings
from tenacity import wait_none
from typer.testing import CliRunner

from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.cli import app
from orchestration.health.alerts import announce
from orchestration.health.gather import health_of
from orchestration.health.sensors import health_sensors
from orchestration.health.webhook import Webhook
from orchestration.instance import open_instance
from orchestration.run import RunFailedError, run_pipeline

SECRET = "a-secret-path"
DATED = ("online_features", "recommendations", "online_recommendations", "champion")
CONTENT = {"text": "something"}


@dataclass
class Receiver:
    """A server that takes alerts; the answers to the next ones, and what has come."""

    url: str
    answers: list[int] = field(default_factory=list)
    requests: int = 0
    taken: list[dict[str, Any]] = field(default_factory=list)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(one["state"], one["problem"]) for one in self.taken]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = receiver.answers.pop(0) if receiver.answers else 200
            receiver.requests += 1
            if status == 200 and self.path == f"/{SECRET}":
                receiver.taken.append(content)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/{SECRET}")
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def workspace(tmp_path: Path, receiver: Receiver) -> Workspace:
    """A home in which all is well."""
    made = Workspace(settings_of(tmp_path / "home", receiver.url))
    made.lake.write("items", pl.DataFrame({"item_id": ["a"]}), {})
    with open_instance(made.paths) as instance:
        dg.materialize([asset(name) for name in DATED], instance=instance)
    return made


def settings_of(home: Path, url: str, **chosen: object) -> Settings:
    return small_settings(home, alert_webhook_url=url, unattended_free_gb=0, **chosen)


def asset(name: str, *, broken: bool = False) -> dg.AssetsDefinition:
    @dg.asset(name=name)
    def made() -> None:
        if broken:
            raise ValueError("the source has no column `rating`")

    return made


def little_room(workspace: Workspace) -> Workspace:
    return Workspace(workspace.settings.model_copy(update={"unattended_free_gb": 1e9}))


def look(workspace: Workspace) -> None:
    announce(workspace, health_of(workspace))


def test_drift_is_posted_and_is_no_error(
    workspace: Workspace, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    drifted = pl.DataFrame({"measure": ["psi"], "subject": ["value"], "value": [0.5]})
    columns = {"limit": pl.lit(0.2), "drifted": pl.lit(True), "until": pl.lit(0)}
    workspace.lake.write("drift", drifted.with_columns(**columns), {})
    look(workspace)
    assert receiver.told == [("begun", "drift")]
    (line,) = [record for record in caplog.records if "psi of value" in record.getMessage()]
    assert line.levelno == logging.WARNING
    health = health_of(workspace)
    assert health.well and health.headline.startswith("Everything works. Newer events differ")


def test_an_alert_is_said_once_when_it_begins_and_once_when_it_has_passed(
    workspace: Workspace, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    look(workspace)
    assert receiver.requests == 0
    for _ in range(3):
        look(little_room(workspace))
    assert receiver.told == [("begun", "disk")]
    (alert,) = receiver.taken
    assert alert["command"] == "crossmodal status" and alert["since"] is not None
    assert "GB left" in alert["what"] and alert["what"] in alert["text"]
    for _ in range(2):
        look(workspace)
    assert receiver.told == [("begun", "disk"), ("passed", "disk")]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_an_alert_that_was_not_taken_is_posted_again_with_the_next_look(
    workspace: Workspace, receiver: Receiver
) -> None:
    receiver.answers = [404]
    look(little_room(workspace))
    assert receiver.told == [] and receiver.requests == 1
    look(little_room(workspace))
    receiver.answers = [404]
    look(workspace)
    look(workspace)
    assert receiver.told == [("begun", "disk"), ("passed", "disk")]


def test_a_test_alert_says_where_alerts_arrive(
    workspace: Workspace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.settings.home)
    monkeypatch.setenv("CROSSMODAL_HOME", str(workspace.settings.home))
    monkeypatch.setenv("CROSSMODAL_ALERT_WEBHOOK_URL", receiver.url)
    taken = CliRunner().invoke(app, ["status", "--test-alert"])
    assert taken.exit_code == 0 and receiver.told == [("test", "test")]
    assert str(workspace.settings.home) in receiver.taken[0]["text"]
    receiver.answers = [404]
    refused = CliRunner().invoke(app, ["status", "--test-alert"])
    assert refused.exit_code == 1 and "did not take the test alert" in refused.output
    monkeypatch.delenv("CROSSMODAL_ALERT_WEBHOOK_URL")
    nowhere = CliRunner().invoke(app, ["status", "--test-alert"])
    assert nowhere.exit_code == 2 and "CROSSMODAL_ALERT_WEBHOOK_URL" in nowhere.output


def test_what_nobody_was_told_of_passes_in_silence(
    workspace: Workspace, receiver: Receiver
) -> None:
    receiver.answers = [404]
    look(little_room(workspace))
    look(workspace)
    assert receiver.requests == 1 and receiver.told == []


def test_without_a_webhook_alerts_are_logged(
    workspace: Workspace, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = {"alert_webhook_url": None, "unattended_free_gb": 1e9}
    silent = Workspace(workspace.settings.model_copy(update=chosen))
    look(silent)
    look(silent)
    (record,) = caplog.records
    assert record.levelname == "ERROR" and "`crossmodal status`" in record.getMessage()
    look(little_room(workspace))
    assert receiver.told == [("begun", "disk")], "who is named later is told of what is still open"


def test_what_passes_after_the_webhook_was_taken_away_can_begin_again(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    look(little_room(workspace))
    silent = Workspace(workspace.settings.model_copy(update={"alert_webhook_url": None}))
    look(silent)
    look(little_room(silent))
    said = [record.getMessage().split()[0] for record in caplog.records]
    assert said == ["Alert:", "Passed:", "Alert:"]


def test_a_fault_that_can_pass_is_tried_again_and_no_other(receiver: Receiver) -> None:
    webhook = Webhook(SecretStr(receiver.url), seconds=5, pause=wait_none())
    receiver.answers = [503, 429]
    assert webhook.delivered(CONTENT) and receiver.requests == 3
    receiver.answers = [403]
    assert not webhook.delivered(CONTENT) and receiver.requests == 4
    receiver.answers = [503, 503, 503]
    assert not webhook.delivered(CONTENT) and receiver.requests == 7


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:1/{SECRET}",
        f"{SECRET}://127.0.0.1",
        f"http://127.0.0.1:{SECRET}/",
        f"http://{SECRET}.invalid/",
        f"http://{SECRET}..invalid/",
    ],
)
def test_the_address_is_never_shown(
    url: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    # The library under httpx names the host it connects to, and no path, if somebody debugs it.
    logging.getLogger("httpcore").setLevel(logging.INFO)
    assert not Webhook(SecretStr(url), seconds=5, pause=wait_none()).delivered(CONTENT)
    receiver.answers = [200, 404]
    for _ in range(2):
        Webhook(SecretStr(receiver.url), seconds=5, pause=wait_none()).delivered(CONTENT)
    assert receiver.requests == 2
    assert caplog.text and SECRET not in caplog.text
    settings = Settings(alert_webhook_url=url)
    assert SECRET not in f"{settings!r} {settings.model_dump(mode='json')}"


@pytest.mark.parametrize(
    ("name", "value"), [("HTTP_PROXY", "socks5://127.0.0.1:1"), ("SSL_CERT_FILE", "/no/file")]
)
def test_an_environment_that_no_post_gets_through_ends_no_look(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    look(little_room(workspace))
    assert "disk" in workspace.paths.alerts.read_text()


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path, receiver: Receiver) -> None:
    workspace = Workspace(settings_of(tmp_path / "home", receiver.url))
    health = health_of(workspace)
    assert not health.well
    announce(workspace, health)
    workspace.paths.home.mkdir()
    announce(workspace, health)
    assert receiver.requests == 0, "nobody is alerted of a home that was never filled"


def test_the_sensor_writes_the_page_when_the_answer_changes(
    workspace: Workspace, receiver: Receiver
) -> None:
    def pages(of: Workspace, cursor: str | None) -> tuple[list[Any], str | None]:
        sensor, _ = health_sensors(of)
        with open_instance(of.paths) as instance:
            result = sensor(dg.build_sensor_context(instance, cursor=cursor))
        assert isinstance(result, dg.SensorResult)
        return list(result.asset_events), result.cursor

    (page,), seen = pages(little_room(workspace), None)
    assert page.asset_key == dg.AssetKey("health")
    shown = page.metadata["page"].value
    assert shown.startswith("**The disk of ") and "| champion | current " in shown
    assert page.metadata["problems"].value == 1
    # Another hour may begin in between.
    looked_at = health_of(workspace).facts.at
    later, _ = pages(little_room(workspace), seen)
    assert not later or f"{looked_at:%H}" != (seen or "").split()[1]
    (page,), _ = pages(workspace, seen)
    assert page.description == "All is well."
    assert receiver.told == [("begun", "disk"), ("passed", "disk")]


def test_the_failure_sensor_tells_of_a_run_and_of_its_reason(
    workspace: Workspace, receiver: Receiver
) -> None:
    _, sensor = health_sensors(workspace)
    with open_instance(workspace.paths) as instance:
        failed = dg.materialize(
            [asset("champion", broken=True)], instance=instance, raise_on_error=False
        )
        run = instance.get_run_by_id(failed.run_id)
        assert run is not None
        event = next(one for one in failed.all_events if one.is_failure)
        sensor(
            dg.build_run_status_sensor_context(
                "failed_runs", dagster_event=event, dagster_instance=instance, dagster_run=run
            ).for_run_failure()
        )
    assert receiver.told == [("begun", f"failed_run:{run.job_name}")]
    assert "champion failed: " in receiver.taken[0]["what"]


@pytest.mark.slow
def test_a_failed_run_of_the_command_line_tells_it_and_fails_for_its_own_reason(
    tmp_path: Path, receiver: Receiver
) -> None:
    def run(url: str) -> str:
        chosen = {"source": "movielens", "source_path": tmp_path / "nothing"}
        with pytest.raises(RunFailedError) as error:
            run_pipeline(settings_of(tmp_path / "home", url, **chosen))
        return str(error.value)

    reason = run(receiver.url)
    assert receiver.told == [("begun", "failed_run:everything")]
    assert " ".join(reason.split())[:100] in receiver.taken[0]["what"]
    StatePaths(tmp_path / "home").alerts.unlink()
    assert run("no-protocol://127.0.0.1/") == reason


def test_a_damaged_list_of_alerts_is_made_again(workspace: Workspace, receiver: Receiver) -> None:
    workspace.paths.alerts.write_text("{")
    look(little_room(workspace))
    look(little_room(workspace))
    assert receiver.told == [("begun", "disk")]
