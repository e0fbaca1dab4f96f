"""Where state lives below `CROSSMODAL_HOME`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StatePaths:
    """Every file and folder of the platform's state, derived from one root."""

    home: Path

    def kept(self, path: Path) -> str:
        """A path as tables store it: relative if below the home, so that the home can be moved."""
        home, path = self.home.resolve(), path.resolve()
        return str(path.relative_to(home) if path.is_relative_to(home) else path)

    def located(self, stored: str) -> Path:
        """The path that `kept` has stored."""
        return self.home / stored

    @property
    def lake(self) -> Path:
        """Parquet tables."""
        return self.home / "lake"

    @property
    def sources(self) -> Path:
        """Raw files the platform generated or downloaded itself."""
        return self.home / "sources"

    @property
    def feast(self) -> Path:
        """Feast's registry and online store."""
        return self.home / "feast"

    @property
    def registry(self) -> Path:
        """Feast's registry file."""
        return self.feast / "registry.db"

    @property
    def online_store(self) -> Path:
        """Feast's SQLite online store."""
        return self.feast / "online_store.db"

    @property
    def spill(self) -> Path:
        """What Feast's queries put on the disk while they compute."""
        return self.feast / "spill"

    @property
    def models(self) -> Path:
        """Model versions, one folder each, and the `champion` file."""
        return self.home / "models"

    @property
    def weights(self) -> Path:
        """Encoder weights converted to safetensors after their checksum was verified."""
        return self.home / "weights"

    @property
    def alignment(self) -> Path:
        """Alignment heads, one file a tower."""
        return self.home / "alignment"

    @property
    def pictures(self) -> Path:
        """Pictures shown in the Dagster UI and in the report."""
        return self.home / "pictures"

    @property
    def studies(self) -> Path:
        """Optuna's store: every trial of every search."""
        return self.home / "studies.db"

    @property
    def event_log(self) -> Path:
        """What apps reported to the online service (SQLite)."""
        return self.home / "serving" / "events.db"

    @property
    def item_log(self) -> Path:
        """Items that apps put into the catalogue through the online service (SQLite)."""
        return self.home / "serving" / "items.db"

    @property
    def uploads(self) -> Path:
        """Pictures and sounds of those items, each named by the hash of its bytes."""
        return self.home / "serving" / "media"

    @property
    def api_keys(self) -> Path:
        """Hashes of the keys that the online service asks for (JSON)."""
        return self.home / "serving" / "keys.json"

    @property
    def rate_limits(self) -> Path:
        """How much of its rate each key of the online service has used (SQLite)."""
        return self.home / "serving" / "limits.db"

    @property
    def shared_arrays(self) -> Path:
        """Arrays of the champion that the online service's processes map (NumPy files)."""
        return self.home / "serving" / "arrays"

    @property
    def worker_figures(self) -> Path:
        """Figures that the online service's processes keep together while they run."""
        return self.home / "serving" / "figures"

    @property
    def timings(self) -> Path:
        """How long each table last took to make, in seconds (JSON)."""
        return self.home / "timings.json"

    @property
    def checks(self) -> Path:
        """Which asset checks passed on which content (JSON)."""
        return self.home / "checks.json"

    @property
    def finished(self) -> Path:
        """By what files, code and settings the last whole run found everything current (JSON)."""
        return self.home / "finished.json"

    @property
    def alerts(self) -> Path:
        """What is wrong at the moment and was said, so that it is said once (JSON)."""
        return self.home / "alerts.json"

    @property
    def dagster(self) -> Path:
        """Dagster's own home: runs, events, schedules."""
        return self.home / "dagster"

    @property
    def id_key(self) -> Path:
        """The generated pseudonym key, mode 0600, where no key is configured."""
        return self.home / "id.key"

    @property
    def made_again(self) -> tuple[Path, ...]:
        """What is made again from the rest wherever it is missing: no backup holds it."""
        return self.weights, self.shared_arrays, self.worker_figures, self.spill
