"""What an operator may choose for one run, as the launchpad of the web UI offers it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from crossmodal.settings import ENV_PREFIX, Settings
from models.catalogue import CATALOGUE
from orchestration.stages import pipeline_assets
from sources.catalogue import SOURCE_NAMES, source_entry

CHOSEN_TAG = "crossmodal/"
"""Begins the tag of each setting that a run was given, before the name of the setting."""

FORCE = "force"
"""The choice that is no setting."""


_OF_SOURCE = "source_"
"""Begins the name of what a source may be given."""


class SourceName(StrEnum):
    """A source."""

    vars().update({name: name for name in SOURCE_NAMES})


class ExtraModel(StrEnum):
    """A model that a run fits only where it is named."""

    vars().update({entry.name: entry.name for entry in CATALOGUE if entry.optional})


class AssetName(StrEnum):
    """An asset that a run can make."""

    vars().update(
        {
            key.to_user_string(): key.to_user_string()
            for asset in pipeline_assets()
            if asset.is_materializable
            for key in sorted(asset.keys)
        }
    )


def usually(name: str) -> Any:
    """A field that is left out where the setting of its name holds."""
    return _field(name, f"By default {ENV_PREFIX}{name.upper()}.")


def of_last_run(name: str) -> Any:
    """A field of the source; where it is left out, the source of the last run holds."""
    return _field(name, "By default, as for the last run.")


def _field(name: str, default: str) -> Any:
    return Field(default=None, description=f"{Settings.model_fields[name].description} {default}")


def chosen_in(run: dg.DagsterRun, resource: str) -> Mapping[str, Any]:
    """What the config of a run says of a resource; empty where it says nothing.

    What it leaves out is not chosen: the defaults that the launchpad shows may be of yesterday.
    """
    config: Mapping[str, Any] = run.run_config
    of_resource = config.get("resources", {}).get(resource, {})
    return {name: value for name, value in of_resource.get("config", {}).items() if value != ""}


def settings_chosen(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Those choices that are settings and have a value.

    Raises:
        dg.Failure: a path or a name of a source is given, but not of which source, or of one that
            takes none.
    """
    settings = {
        name: value for name, value in chosen.items() if name != FORCE and value is not None
    }
    given = {name for name in settings if name.startswith(_OF_SOURCE)}
    if given and "source" not in settings:
        raise dg.Failure(
            "The run config names a source_path or a source_name: add the source that it is of.",
            allow_retries=False,
        )
    entry = source_entry(settings.get("source", ""))
    takes = {f"{_OF_SOURCE}{name}" for name in entry.takes} if entry else set()
    if beyond := sorted(given - takes):
        raise dg.Failure(
            f"The run config cannot be used: {settings['source']} takes no "
            f"{' and no '.join(beyond)}; leave it out.",
            allow_retries=False,
        )
    return settings


def refused(error: ValidationError) -> dg.Failure:
    """The first value of a run config that cannot be used, in one sentence."""
    problem = error.errors()[0]
    name = "_".join(map(str, problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ")
    said = f"{name}: {message}" if name else message
    return dg.Failure(f"The run config cannot be used. {said}.", allow_retries=False)


def as_tags(chosen: Mapping[str, Any], usual: Settings) -> dict[str, str]:
    """Tags of a run that say what was chosen for it other than usual.

    Args:
        chosen: from `chosen_in`.
        usual: the settings of a run for which nothing is chosen.
    """
    known = usual.model_dump(mode="json") | {FORCE: []}
    return {
        f"{CHOSEN_TAG}{name}": ", ".join(value) if isinstance(value, list) else str(value)
        for name, value in chosen.items()
        if value is not None and value != known[name]
    }
