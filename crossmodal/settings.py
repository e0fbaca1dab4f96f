"""Every setting of the platform in one typed class.

A value comes from, in this order: an environment variable `CROSSMODAL_<NAME>`, a line in `.env`
in the working folder, the default below. Nothing else in the project reads the environment.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from crossmodal.atomic import atomic_write_bytes
from crossmodal.paths import StatePaths

ENV_PREFIX = "CROSSMODAL_"
"""What the variable of every setting begins with."""

_ENV_FILE = ".env"


def _default_home() -> Path:
    """`.crossmodal/` in the project's checkout, whatever folder a command is started from."""
    return Path(__file__).resolve().parent.parent / ".crossmodal"


class Settings(BaseSettings):
    """What an operator may choose. `crossmodal doctor` prints the values in force."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_file=_ENV_FILE, extra="ignore", frozen=True
    )

    home: Path = Field(
        default_factory=_default_home,
        description="Folder that holds all state. Deleting it is a factory reset.",
    )
    id_key: SecretStr | None = Field(
        default=None,
        description="Key of the user pseudonyms. Without it a key file is made in the home.",
    )
    seed: int = Field(default=42, ge=0, description="Seed of every random choice.")
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="auto, cpu, mps, cuda or cuda:N. auto takes CUDA, else Apple's MPS, else the "
        "CPU.",
    )

    source: str = Field(
        default="sample", description="Name of a source; see `crossmodal run --help`."
    )
    source_path: Path | None = Field(
        default=None,
        description="Folder, zip or file that the source reads.",
    )
    source_name: str | None = Field(
        default=None, description="Name of a published MovieLens set to download."
    )
    max_reject_share: float = Field(
        default=0.01, ge=0, le=1, description="Share of unusable rows above which a run stops."
    )
    max_broken_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of a modality's files that may be broken; above it, a run stops before "
        "anything is fitted.",
    )
    max_repeated_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Share of a modality's files that may have the same content; above it, that "
        "content is taken for a placeholder, and its items count as having no file.",
    )
    earliest_event: datetime = Field(
        default=datetime(1900, 1, 1, tzinfo=UTC),
        description="Events before this instant are rejected; in UTC unless an offset is given.",
    )
    latest_event: datetime | None = Field(
        default=None, description="Events after this instant are rejected; by default, after now."
    )
    sample_users: int = Field(default=1500, ge=10, description="Users of the sample source.")
    sample_items: int = Field(default=800, ge=20, description="Items of the sample source.")
    sample_events: int = Field(default=60_000, ge=100, description="Events of the sample source.")

    media_max_bytes: int = Field(default=50_000_000, gt=0, description="Largest file that is read.")
    media_max_pixels: int = Field(
        default=40_000_000, gt=0, description="Largest picture that is decoded."
    )
    media_max_seconds: float = Field(
        default=60.0, gt=0, description="Sound decoded from one file, in seconds."
    )
    media_max_frames: int = Field(default=16, gt=0, description="Frames taken from one video.")
    media_max_lost_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of a picture or sound that may be damaged or missing; above it, the "
        "file counts as broken.",
    )
    media_timeout_seconds: float = Field(
        default=30.0, gt=0, description="Time one file may take to decode."
    )
    media_workers: int = Field(default=2, ge=1, description="Processes that decode media.")

    text_encoder: str = Field(
        default="minilm",
        description="minilm (installed, no network), or any sentence-transformers model name or "
        "folder.",
    )
    image_encoder: str = Field(
        default="efficientnet-lite0",
        description="efficientnet-lite0 (installed, no network), or MODEL/PRETRAINED of open_clip.",
    )
    audio_encoder: str = Field(
        default="logmel",
        description="logmel (no weights), a torchaudio bundle such as WAV2VEC2_BASE, "
        "or a local folder of such a model.",
    )
    alignment: Literal["auto", "ridge", "contrastive"] = Field(
        default="auto",
        description="How a tower is mapped into the text space: ridge, contrastive, or auto, which "
        "keeps the one that does better on held-out items.",
    )

    embedding_batch: int = Field(default=64, ge=1, description="Items encoded at once on a CPU.")
    training_epochs: int = Field(default=8, ge=1, description="Maximum epochs of an MMNN.")
    extra_models: tuple[str, ...] = Field(
        default=(),
        description='Models to fit in addition to those of every run, as JSON: ["gat"].',
    )
    hybrid_networks: bool = Field(
        default=False,
        description="Whether the hybrid stacks the three networks too, which takes minutes more.",
    )
    matrix_factorisation: Literal["concat", "dot"] = Field(
        default="concat",
        description="concat is the form that most tutorials show, a linear layer over both "
        "embeddings; dot adds biases and the product of the embeddings.",
    )
    tuned: str = Field(
        default="none",
        description="Best settings to fit models with: none, sample or ml-latest-small "
        "(committed), or a file written by `crossmodal search --best`, ending in .json.",
    )
    search_models: tuple[str, ...] = Field(
        default=(),
        description='Models whose settings are searched in a run, as JSON: ["ease"].',
    )
    search_trials: int = Field(default=20, ge=1, description="Maximum trials per model.")
    search_seconds: float = Field(
        default=600.0, gt=0, description="Time after which no trial of a model begins."
    )
    recommendations_k: int = Field(default=20, ge=1, le=200, description="List length per user.")
    judging_users: int = Field(
        default=10_000,
        ge=10,
        description="Maximum users whose held-out events choose and judge models. If there are "
        "more users, this many are drawn, and the intervals become wider.",
    )
    bootstrap_samples: int = Field(
        default=1000, ge=100, description="Resamples behind every confidence interval."
    )
    refit_overlap: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="How much the champion's version fitted to all events must agree with its "
        "judged version: the share of the items in their lists that must be the same. Below it, "
        "the judged version answers.",
    )
    refit_list_seconds: float = Field(
        default=0.5,
        gt=0,
        description="Longest time that one list of the version fitted to all events may take; "
        "above it, the judged version answers.",
    )
    kept_versions: int = Field(
        default=5,
        ge=1,
        description="Newest versions of each model and split that a run keeps; older ones that "
        "nothing needs are deleted.",
    )
    kept_champion_days: int = Field(
        default=30,
        ge=0,
        description="Days for which a former champion is kept, so that `crossmodal rollback` can "
        "return to it.",
    )
    ablation_users: int = Field(
        default=300,
        ge=1,
        description="Maximum users whose lists are used to measure what a modality is worth; "
        "they are drawn by the seed.",
    )
    ablation_models: Literal["best", "all"] = Field(
        default="best",
        description="Models that modalities are hidden from. best: two per split, the best model "
        "and the best of the others that train weights; all: every model that can be masked.",
    )

    unattended_retries: int = Field(
        default=3,
        ge=0,
        description="How often a step is tried again after a fault that can pass: a lock that is "
        "held, a network or a disk that does not answer. Others are not tried again.",
    )
    unattended_retry_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Wait before the first of these tries, give or take as much; before the next "
        "ones, 3 and 7 times as long.",
    )
    unattended_run_seconds: int = Field(
        default=86_400,
        ge=0,
        description="Time that a run of the web UI or its daemon may work; after it, the run is "
        "ended and counts as failed. 0 for any time.",
    )
    unattended_time_zone: str = Field(
        default="UTC",
        description="Time zone of the schedules' hours, such as Europe/Paris.",
    )
    unattended_events_folder: Path | None = Field(
        default=None,
        description="Folder of event files that the sensor `event_files` takes in.",
    )
    unattended_features_hours: float = Field(
        default=30.0,
        ge=1,
        description="Age of the features in the online store above which the web UI calls them "
        "overdue. With the hourly schedule, 3 says so sooner.",
    )
    unattended_lists_hours: float = Field(
        default=30.0,
        ge=1,
        description="Age of the lists above which it calls them overdue. By default, a night that "
        "fails is seen in the morning.",
    )
    unattended_champion_hours: float = Field(
        default=30.0,
        ge=1,
        description="Time since models were last judged above which it calls the champion overdue.",
    )

    serve_host: str = Field(
        default="127.0.0.1", description="Address that `crossmodal serve` listens on."
    )
    serve_port: int = Field(
        default=8000, ge=0, le=65535, description="Port of that address; 0 takes any free one."
    )
    serve_workers: int = Field(
        default=1, ge=1, le=64, description="Processes that answer, on one port."
    )
    serve_allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Host names under which the service may be called, in addition to those of "
        'this machine, as JSON: ["shop.example", "*.shop.example"]; "*" for any. If '
        "the list is empty, any name may be used as soon as there are keys.",
    )
    serve_max_body_bytes: int = Field(
        default=16_000_000,
        gt=0,
        description="Largest body of a request, such as a file; above it, 413. JSON has lower "
        "bounds too.",
    )
    serve_held_bytes: int = Field(
        default=64_000_000,
        gt=0,
        description="Bytes of request bodies that a process may hold; above it, 503.",
    )
    serve_requests_at_once: int = Field(
        default=256, ge=1, description="Requests that a process answers at once; above it, 503."
    )
    serve_header_seconds: float = Field(
        default=10.0,
        gt=0,
        description="Time to send the head of a request; after it, the connection is closed.",
    )
    serve_body_seconds: float = Field(
        default=15.0, gt=0, description="Longest wait for the next part of a body; after it, 408."
    )
    serve_body_pace: int = Field(
        default=64_000,
        gt=0,
        description="Average bytes per second that a body must reach, counted once "
        "CROSSMODAL_SERVE_BODY_SECONDS have passed; below it, 408.",
    )
    serve_stop_seconds: float = Field(
        default=10.0,
        gt=0,
        description="Time that requests have to end when the service is stopped.",
    )
    serve_waiting_batches: int = Field(
        default=256,
        ge=1,
        description="Batches of events that may wait for the disk; above it, 429.",
    )

    serve_key_rate: float = Field(
        default=200.0, gt=0, description="Requests per second of one key; above it, 429."
    )
    serve_key_burst: int = Field(
        default=400, ge=1, description="Requests that a key may make at once."
    )
    serve_remembered_bytes: int = Field(
        default=32_000_000,
        ge=0,
        description="Bytes of lists that a process keeps for users who do nothing between two "
        "requests; 0 keeps none.",
    )
    serve_user_state_seconds: float = Field(
        default=0.2,
        gt=0,
        description="Time to read a user's events; after it, 503, but /v1/rank uses the lake's "
        "events.",
    )
    serve_ranking_seconds: float = Field(
        default=0.5, gt=0, description="Time to rank; after it, the stored or the popular list."
    )
    serve_diversity_seconds: float = Field(
        default=0.2, gt=0, description="Time to diversify; after it, the order of the scores."
    )
    serve_reasons_seconds: float = Field(
        default=0.2, gt=0, description="Time to explain; after it, no reasons."
    )
    serve_features_seconds: float = Field(
        default=0.2,
        gt=0,
        description="Time for Feast to find a stored list; after it, the popular items.",
    )

    @field_validator("unattended_time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone; write one as Europe/Paris") from error
        return value

    @field_validator("tuned")
    @classmethod
    def _absolute_file(cls, value: str) -> str:
        named = value.endswith(".json")
        return str(Path(value).expanduser().resolve()) if named else value

    @field_validator("earliest_event", "latest_event", mode="before")
    @classmethod
    def _no_bare_number(cls, value: Any) -> Any:
        """A year alone would be read as seconds since 1970."""
        if isinstance(value, int | float) or (isinstance(value, str) and value.strip().isdecimal()):
            raise ValueError(f"{value} may be a year or seconds; give a date such as 2015-01-01")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.latest_event is not None and self.latest_event < self.earliest_event:
            raise ValueError(
                f"CROSSMODAL_LATEST_EVENT={self.latest_event} is before "
                f"CROSSMODAL_EARLIEST_EVENT={self.earliest_event}, so that no event could count"
            )
        return self

    @field_validator("earliest_event", "latest_event")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value

    @field_validator("home", "source_path", "unattended_events_folder")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().resolve()


class RememberedSource(BaseModel):
    """The source that the state in a home was last made from; its path as `StatePaths.kept`."""

    source: str
    source_path: Path | None = None
    source_name: str | None = None


class RememberedSourceError(RuntimeError):
    """The file of a home that names its source cannot be read; the message says the way out."""


def load_settings(**chosen: Any) -> Settings:
    """The settings in force; `chosen` values that are not None override all others.

    If neither the caller nor the environment names a source, it is the one from which the home was
    last made, so that the web UI, the schedule and the command line agree on it.

    Raises:
        RememberedSourceError: what the home was made from is damaged.
        ValidationError: a value cannot be used.
    """
    overrides = {name: value for name, value in chosen.items() if value is not None}
    settings = Settings(**overrides)
    remembered = _source_file(settings)
    if settings.model_fields_set & set(RememberedSource.model_fields) or not remembered.is_file():
        return settings
    try:
        source = RememberedSource.model_validate_json(remembered.read_bytes())
    except (OSError, ValidationError) as error:
        raise RememberedSourceError(
            f"{remembered} cannot be read: delete it, and name the source of the next run by "
            "--source."
        ) from error
    known = source.model_dump(exclude_none=True)
    if source.source_path is not None:
        known["source_path"] = StatePaths(settings.home).located(str(source.source_path))
    return Settings(**overrides, **known)


def unread_variables() -> tuple[str, ...]:
    """Variables of the environment or of `.env` that look like settings but that nothing reads."""
    variables = {*os.environ, *dotenv_values(_ENV_FILE)}
    read = {f"{ENV_PREFIX}{name}".upper() for name in Settings.model_fields}
    ours = {name for name in variables if name.upper().startswith(ENV_PREFIX)}
    return tuple(sorted(name for name in ours if name.upper() not in read))


def remember_source(settings: Settings) -> None:
    """Makes this source the one that later commands and the web UI take by default."""
    chosen = settings.model_dump()
    if settings.source_path is not None:
        # A home that is moved or copied reads the files that came along with it.
        chosen["source_path"] = StatePaths(settings.home).kept(settings.source_path)
    source = RememberedSource.model_validate(chosen)
    atomic_write_bytes(_source_file(settings), source.model_dump_json(indent=2).encode())


def _source_file(settings: Settings) -> Path:
    return settings.home / "source.json"
