"""Alerts that something must be done: once when it begins, and once when it has passed.

The one hook of all alerts. The sensors of the web UI call it, and `crossmodal run` where there is a
webhook. What was said is kept in a file of the home, so that they do not repeat each other.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import filelock
from dagster import DagsterInstance
from pydantic import TypeAdapter, ValidationError

from crossmodal.atomic import atomic_write_bytes
from crossmodal.paths import StatePaths
from crossmodal.workspace import Workspace
from orchestration.health.gather import health_of
from orchestration.health.verdict import EMPTY, Health, Problem, said
from orchestration.health.webhook import Webhook

logger = logging.getLogger(__name__)

MORE = "crossmodal status"
"""The command that shows more than an alert."""


@dataclass(frozen=True)
class _Open:
    """A problem that was there at the last look.

    Attributes:
        problem: as it was when it began.
        heard: whether the webhook took it.
    """

    problem: Problem
    heard: bool = False


class NoWebhookError(RuntimeError):
    """No webhook is set; the message names the setting."""


_OPEN = TypeAdapter(dict[str, _Open])


def alert_of_run(workspace: Workspace, instance: DagsterInstance) -> None:
    """After a run of the command line, whose log has said what failed: for the webhook's sake.

    Whatever goes wrong here is logged, and the run is as it was.
    """
    if workspace.settings.alert_webhook_url is None:
        return
    try:
        announce(workspace, health_of(workspace, instance))
    except Exception:
        logger.exception("No alert could be made of this run.")


def post_test(workspace: Workspace) -> bool:
    """Posts an alert of no problem, so that an operator sees where alerts arrive.

    Returns:
        Whether the webhook took it; where it did not, the log says why.

    Raises:
        NoWebhookError: the settings name none.
    """
    if workspace.settings.alert_webhook_url is None:
        raise NoWebhookError(
            "There is nowhere to post a test alert: set CROSSMODAL_ALERT_WEBHOOK_URL."
        )
    what = f"This is a test. Alerts of {workspace.paths.home} arrive here."
    return _Posting(workspace).posted("test", Problem("test", what, MORE))


def announce(workspace: Workspace, health: Health) -> None:
    """Says what has begun and what has passed since the last look, in the log and by the webhook.

    What the webhook did not take is posted again at the next look.
    """
    paths = workspace.paths
    if not paths.home.is_dir():
        return
    try:
        # Who looks at the same moment says the same.
        with filelock.FileLock(paths.alerts.with_suffix(".lock"), timeout=0):
            before = _read(paths)
            after = _announced(workspace, health, before)
            if after != before:
                atomic_write_bytes(paths.alerts, _OPEN.dump_json(after, indent=2))
    except filelock.Timeout:
        return
    except OSError as error:
        logger.error("%s cannot be written (%s).", paths.alerts, error.strerror)


def _announced(
    workspace: Workspace, health: Health, before: Mapping[str, _Open]
) -> dict[str, _Open]:
    """What is open after the look: all problems, and what has passed without anybody knowing."""
    now = {problem.key: problem for problem in health.problems if problem.key != EMPTY}
    posting = _Posting(workspace)
    after: dict[str, _Open] = {}
    for key, entry in before.items():
        if key in now:
            after[key] = entry
            continue
        # Who heard that it began must hear that it passed; until then it stays open.
        must_hear = entry.heard and posting.is_wanted
        if must_hear and not posting.posted("passed", entry.problem):
            after[key] = entry
        else:
            logger.warning("Passed: %s", entry.problem.what)
    for key in (key for key in now if key not in before):
        level = logging.ERROR if now[key].fault else logging.WARNING
        logger.log(level, "Alert: %s More: `%s`.", said(now[key]), MORE)
        after[key] = _Open(replace(now[key], since=now[key].since or health.facts.at))
    unheard = [key for key, entry in after.items() if key in now and not entry.heard]
    for key in unheard:
        after[key] = replace(after[key], heard=posting.posted("begun", after[key].problem))
    return after


class _Posting:
    """Posts until the webhook fails once: the next look tries again, and no look takes long.

    Args:
        workspace: whose settings name the webhook, if there is one.

    Attributes:
        is_wanted: whether there is one.
    """

    def __init__(self, workspace: Workspace) -> None:
        url = workspace.settings.alert_webhook_url
        seconds = workspace.settings.alert_timeout_seconds
        self.is_wanted = url is not None
        self._webhook = None if url is None else Webhook(url, seconds)
        self._home = str(workspace.paths.home)

    def posted(self, state: str, problem: Problem) -> bool:
        """Whether the webhook took the alert; False if there is none."""
        if self._webhook is None:
            return False
        if not self._webhook.delivered(self._content(state, problem)):
            self._webhook = None
            return False
        return True

    def _content(self, state: str, problem: Problem) -> dict[str, str | None]:
        passed = state == "passed"
        return {
            # The field that Slack, Mattermost and others show.
            "text": f"Passed: {problem.what}" if passed else f"{said(problem)} More: `{MORE}`.",
            "state": state,
            "problem": problem.key,
            "what": problem.what,
            "since": problem.since.isoformat() if problem.since else None,
            "command": MORE,
            "home": self._home,
        }


def _read(paths: StatePaths) -> dict[str, _Open]:
    if not paths.alerts.is_file():
        return {}
    try:
        return _OPEN.validate_json(paths.alerts.read_bytes())
    except (OSError, ValidationError):
        # What is open is found again by the look; it is said once more.
        return {}
