"""All settings in one typed class, and the environment they are read from."""

import os

from dotenv import dotenv_values
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from crossmodal.settings.drift import DriftSettings
from crossmodal.settings.encoders import EncoderSettings
from crossmodal.settings.engine import EngineSettings
from crossmodal.settings.home import HomeSettings
from crossmodal.settings.media import MediaSettings
from crossmodal.settings.models import ModelSettings
from crossmodal.settings.serving import ServingSettings
from crossmodal.settings.sources import SourceSettings
from crossmodal.settings.unattended import UnattendedSettings

ENV_PREFIX = "CROSSMODAL_"
"""What the variable of every setting begins with."""

_ENV_FILE = ".env"


# Pydantic takes the fields of the last base first: read upwards, this is their order everywhere.
class Settings(
    ServingSettings,
    UnattendedSettings,
    DriftSettings,
    ModelSettings,
    EncoderSettings,
    MediaSettings,
    SourceSettings,
    EngineSettings,
    HomeSettings,
    BaseSettings,
):
    """What an operator may choose. `crossmodal doctor` prints the values in force."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_file=_ENV_FILE, extra="ignore", frozen=True
    )


def without_secrets(settings: Settings) -> Settings:
    """The same settings, as other machines may see them."""
    secret = [name for name, value in settings if isinstance(value, SecretStr)]
    return settings.model_copy(update=dict.fromkeys(secret))


def unread_variables() -> tuple[str, ...]:
    """Variables of the environment or of `.env` that look like settings but that nothing reads."""
    variables = {*os.environ, *dotenv_values(_ENV_FILE)}
    read = {f"{ENV_PREFIX}{name}".upper() for name in Settings.model_fields}
    ours = {name for name in variables if name.upper().startswith(ENV_PREFIX)}
    return tuple(sorted(name for name in ours if name.upper() not in read))
