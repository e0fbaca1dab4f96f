"""Settings of a platform that runs in seconds."""

from pathlib import Path

from crossmodal.settings import ENV_PREFIX, Settings

_SMALL: dict[str, object] = {
    "sample_users": 60,
    "sample_items": 80,
    "sample_events": 1800,
    "training_epochs": 2,
    "bootstrap_samples": 100,
    # Every service starts its own decoders, and most tests decode nothing.
    "media_workers": 1,
    "id_key": "a key for tests",
}


def small_settings(home: Path, **chosen: object) -> Settings:
    """A catalogue that runs in seconds."""
    return Settings.model_validate({"home": home, **_SMALL, **chosen})


def chosen_by_variables() -> dict[str, str]:
    """The same settings as environment variables, for a process."""
    return {f"{ENV_PREFIX}{name}".upper(): str(value) for name, value in _SMALL.items()}
