"""`crossmodal up` and `crossmodal down`, with a real supervisor and what it keeps alive."""

import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import psutil
import pytest
from boxes import Box, box_of
from commands import patiently

from orchestration.instance import open_instance
from orchestration.services.places import noted

pytest.importorskip("supervisor", reason="the package supervisor is not installed here")
pytestmark = pytest.mark.slow

BY_DEFAULT = {"hourly", "nightly", "weekly", "reported_events", "event_files", "source_changed"}
WHERE = '{repositoryLocationName: "orchestration.definitions", repositoryName: "__repository__"}'
STATES = f"""{{ repositoryOrError(repositorySelector: {WHERE}) {{ ... on Repository {{
  schedules {{ name scheduleState {{ id status }} }} sensors {{ name sensorState {{ id status }} }}
}} }} }}"""
STOP = "mutation($id: String!) { stopRunningSchedule(id: $id) { __typename } }"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with box_of(tmp_path_factory.mktemp("box")) as made:
        said = made.up()
        assert said.returncode == 0, said.stdout
        assert f"Web UI:          {made.ui}" in said.stdout
        assert f"Online service:  http://127.0.0.1:{made.port}" in said.stdout
        assert str(made.paths.logs) in said.stdout and "run `crossmodal run`" in said.stdout
        yield made


@pytest.fixture
def box(shared: Box) -> Box:
    """What the tests share; one of them ends it, and they may come in any order."""
    if noted(shared.paths) is None:
        assert shared.up().returncode == 0
    return shared


def asked(box: Box, query: str, **variables: str) -> Any:
    answer = httpx.post(
        f"{box.ui}/graphql", json={"query": query, "variables": variables}, timeout=120
    )
    return answer.raise_for_status().json()["data"]


def states(box: Box) -> dict[str, dict[str, str]]:
    found = asked(box, STATES)["repositoryOrError"]
    return {
        **{one["name"]: one["scheduleState"] for one in found["schedules"]},
        **{one["name"]: one["sensorState"] for one in found["sensors"]},
    }


def test_both_answer_and_only_their_user_can_ask_the_supervisor(box: Box) -> None:
    box.answers()
    place = Path(box.supervisor._place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert (box.paths.logs / "ui.log").stat().st_size and (box.paths.logs / "serve.log").exists()


def test_a_second_up_starts_nothing(box: Box) -> None:
    before = box.pids()
    said = box.up()
    assert said.returncode == 0 and "Up already, since " in said.stdout
    assert f"http://127.0.0.1:{box.port}" in said.stdout
    assert box.pids() == before
    elsewhere = box.up(CROSSMODAL_SERVE_PORT="1")
    assert elsewhere.returncode == 0 and "It keeps its ports" in elsewhere.stdout


@pytest.mark.faults
def test_a_service_that_is_killed_is_started_again(box: Box) -> None:
    before = box.pids()["serve"]
    psutil.Process(before).kill()

    @patiently
    def another() -> None:
        assert box.pids()["serve"] not in (0, before)
        box.answers()

    another()


def family_of_ui(box: Box) -> list[psutil.Process]:
    ui = psutil.Process(box.pids()["ui"])
    return [ui, *ui.children(recursive=True)]


@pytest.mark.faults
@pytest.mark.parametrize("killed", ["orchestration.cli", "dagster._daemon", "dagster_webserver"])
def test_a_web_ui_of_which_any_process_is_killed_is_started_again(box: Box, killed: str) -> None:
    before = family_of_ui(box)
    with open_instance(box.paths) as instance:
        # As a run that was going on.
        going = dg.DagsterRun(
            job_name="everything",
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/max_retries": "0"},
        )
        instance.add_run(going)
    next(process for process in before if killed in process.cmdline()).kill()

    @patiently
    def another() -> None:
        assert box.pids()["ui"] not in (0, before[0].pid)
        assert len(family_of_ui(box)) >= len(before)
        box.answers()

    another()
    assert not any(process.is_running() for process in before)
    with open_instance(box.paths) as instance:
        failed = instance.get_run_by_id(going.run_id)
    assert failed is not None and failed.status is dg.DagsterRunStatus.FAILURE


def test_up_starts_what_does_not_run(box: Box) -> None:
    before = box.pids()["ui"]
    box.supervisor._ask("stopProcess", "crossmodal:serve", False)

    @patiently
    def stopped() -> None:
        assert box.supervisor.programs()["serve"].state == "STOPPED"

    stopped()
    said = box.up()
    assert said.returncode == 0 and "The online service does not run; starts it." in said.stdout
    assert box.pids()["ui"] == before
    box.answers()


@pytest.mark.faults
def test_a_killed_supervisor_leaves_nothing_that_runs_twice_and_what_was_off_stays_off(
    box: Box,
) -> None:
    found = states(box)
    assert {found[name]["status"] for name in BY_DEFAULT} == {"RUNNING"}
    asked(box, STOP, id=found["weekly"]["id"])
    before, supervisor = box.pids(), psutil.Process(box.supervisor.pid())
    supervisor.kill()
    psutil.wait_procs([supervisor], timeout=60)
    assert all(psutil.pid_exists(pid) for pid in before.values())
    said = box.up()
    assert said.returncode == 0 and "The supervisor was killed." in said.stdout
    assert not any(psutil.pid_exists(pid) for pid in before.values())
    assert box.ui_holder() == box.pids()["ui"]
    box.answers()
    found = states(box)
    assert found["weekly"]["status"] == "STOPPED"
    assert {found[name]["status"] for name in BY_DEFAULT - {"weekly"}} == {"RUNNING"}


def test_down_ends_all_and_says_so(box: Box) -> None:
    family = box.family()
    # Of processes that other tests of the box have killed there are tracebacks.
    logs = [box.paths.logs / f"{name}.log" for name in ("ui", "serve")]
    before = [len(log.read_text()) for log in logs]
    said = box.down()
    assert said.returncode == 0 and "have ended" in said.stdout
    _, left = psutil.wait_procs(family, timeout=20)
    assert not left
    box.require_free()
    again = box.down()
    assert again.returncode == 0 and "Nothing runs" in again.stdout
    for log, size in zip(logs, before, strict=True):
        assert "Traceback" not in log.read_text()[size:]
    assert "stopped: serve (exit status 0)" in (box.paths.logs / "supervisord.log").read_text()


@pytest.mark.faults
def test_down_ends_what_a_killed_supervisor_has_left(tmp_path: Path) -> None:
    with box_of(tmp_path) as box:
        assert box.up().returncode == 0
        family = box.family()
        family[0].kill()
        said = box.down()
        assert said.returncode == 0 and "The supervisor was killed." in said.stdout
        _, left = psutil.wait_procs(family, timeout=20)
        assert not left


def test_a_service_that_cannot_start_is_shown_with_its_reason(tmp_path: Path) -> None:
    with box_of(tmp_path) as box:
        # Other machines could reach it, and nobody is asked for a key.
        said = box.up(CROSSMODAL_SERVE_HOST="0.0.0.0")
        assert said.returncode == 1
        assert "The online service does not start." in said.stdout
        assert "crossmodal keys add" in said.stdout
        assert str(box.paths.logs / "serve.log") in said.stdout
        assert "The web UI goes on; `crossmodal down` ends it." in said.stdout
        assert box.down().returncode == 0


def test_in_the_foreground_a_signal_ends_all_in_order(tmp_path: Path) -> None:
    with box_of(tmp_path) as box, (tmp_path / "said").open("w") as said:
        words = box.words("up", "--foreground", "--ui-port", str(box.ui_port))
        process = psutil.Popen(words, env=box.environment, stdout=said, stderr=said)

        @patiently
        def answers() -> None:
            assert process.poll() is None, (tmp_path / "said").read_text()
            box.answers()

        answers()
        assert box.supervisor.pid() == process.pid
        second = box.up("--foreground")
        assert second.returncode == 1 and str(process.pid) in second.stdout
        family = box.family()[1:]
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 0
        _, left = psutil.wait_procs(family, timeout=20)
        assert not left
        box.require_free()
