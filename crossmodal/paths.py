"""Where state lives below `CROSSMODAL_HOME`."""

from dataclasses import dataclass
from pathlib import Path


class _Below:
    """A path below the home of whatever `StatePaths` is asked for it."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __get__(self, paths: "StatePaths", kind: type) -> Path:
        return paths.home / self._place


@dataclass(frozen=True)
class StatePaths:
    """Every file and folder of the platform's state, derived from one root."""

    home: Path

    format = _Below("format.json")
    """In which form the state is kept, and which release made it (JSON)."""

    lake = _Below("lake")
    """Parquet tables."""

    unfinished = _Below("unfinished")
    """What an interrupted run had encoded (Parquet tables)."""

    sources = _Below("sources")
    """Raw files the platform generated or downloaded itself."""

    feast = _Below("feast")
    """Feast's registry and online store."""

    registry = _Below("feast/registry.db")
    """Feast's registry file."""

    online_store = _Below("feast/online_store.db")
    """Feast's SQLite online store."""

    spill = _Below("feast/spill")
    """What Feast's queries put on the disk while they compute."""

    models = _Below("models")
    """Model versions, one folder each, and the `champion` file."""

    weights = _Below("weights")
    """Encoder weights converted to safetensors after their checksum was verified."""

    assembled = _Below("assembled")
    """Splits as models read them, put together from the lake (safetensors)."""

    alignment = _Below("alignment")
    """Alignment heads, one file a tower."""

    pictures = _Below("pictures")
    """Pictures shown in the Dagster UI and in the report."""

    studies = _Below("studies.db")
    """Optuna's store: every trial of every search."""

    event_log = _Below("serving/events.db")
    """What apps reported to the online service (SQLite)."""

    item_log = _Below("serving/items.db")
    """Items that apps put into the catalogue through the online service (SQLite)."""

    uploads = _Below("serving/media")
    """Pictures and sounds of those items, each named by the hash of its bytes."""

    api_keys = _Below("serving/keys.json")
    """Hashes of the keys that the online service asks for (JSON)."""

    rate_limits = _Below("serving/limits.db")
    """How much of its rate each key of the online service has used (SQLite)."""

    shared_arrays = _Below("serving/arrays")
    """Arrays of the champion that the online service's processes map (NumPy files)."""

    worker_figures = _Below("serving/figures")
    """Figures that the online service's processes keep together while they run."""

    timings = _Below("timings.json")
    """How long each table last took to make, in seconds (JSON)."""

    checks = _Below("checks.json")
    """Which asset checks passed on which content (JSON)."""

    finished = _Below("finished.json")
    """By what files, code and settings the last whole run found everything current (JSON)."""

    alerts = _Below("alerts.json")
    """What is wrong at the moment and was said, so that it is said once (JSON)."""

    services = _Below("services")
    """What `crossmodal up` writes for its supervisor, and the socket by which it is asked."""

    up_note = _Below("services/up.json")
    """What `crossmodal up` has started, until `crossmodal down` ends it (JSON)."""

    logs = _Below("logs")
    """What the processes of `crossmodal up` log."""

    dagster = _Below("dagster")
    """Dagster's own home: runs, events, schedules."""

    id_key = _Below("id.key")
    """The generated pseudonym key, mode 0600, where no key is configured."""

    def kept(self, path: Path) -> str:
        """A path as tables store it: relative if below the home, so that the home can be moved."""
        home, path = self.home.resolve(), path.resolve()
        return str(path.relative_to(home) if path.is_relative_to(home) else path)

    def located(self, stored: str) -> Path:
        """The path that `kept` has stored."""
        return self.home / stored

    @property
    def made_again(self) -> tuple[Path, ...]:
        """What is made again from the rest wherever it is missing: no backup holds it.

        Logs and what belongs to running processes are among it.
        """
        made = self.weights, self.assembled, self.spill, self.unfinished
        of_services = self.shared_arrays, self.worker_figures, self.services, self.logs
        return *made, *of_services
