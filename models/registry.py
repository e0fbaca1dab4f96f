"""Model versions: folders that appear whole or not at all, and one file that names the champion."""

import hashlib
import json
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from crossmodal.atomic import atomic_write_bytes, sync
from models.catalogue.families import load_model
from models.persistence import CONFIG, WEIGHTS, ModelFormatError, family_of
from models.protocol import Trainable
from models.version_checksum import weights_sha256

_log = logging.getLogger(__name__)

METRICS = "metrics.json"
MANIFEST = "manifest.json"
VOCABULARY = "items.json"
_CHAMPION = "champion"
_NAME = re.compile(r"[\w.-]{1,200}")
_NEW, _REMOVED = ".new-", ".old-"
"""What the folders of versions begin with that are not there yet, or no more."""


class UnknownVersionError(LookupError):
    """A version was asked for that the registry does not hold."""


class ChampionFileError(ValueError):
    """The file that names the champion names none; the message says the way out."""


@dataclass(frozen=True)
class ModelVersion:
    """What a version is and what it was made from.

    Attributes:
        version: `<name>-<hash>`; equal inputs give the same version.
        name: of the model, as the metrics table calls it.
        family: which class loads it.
        data_versions: of the tables it was fitted on.
        stamp: versions of the code and of the settings behind it.
        git_commit: of the checkout that fitted it; `unknown` outside one.
        weights_sha256: of its weights file.
        judged_by: the version whose figures speak for this one, which was fitted again to what
            those figures were measured on; empty for a version that was judged itself.
        encoders: fingerprint of what made the item vectors that it was fitted on, by modality;
            empty where an older platform kept it.
        newest_event: the instant of the newest event among those that it could learn from, as ISO
            8601; empty where there was none, or where an older platform kept it.
        warm_started_from: the version whose weights its fit began with; empty for one that was
            fitted from scratch.
        warm_starts: how many there were since a fit from scratch, with its own; 0 for that fit.
    """

    version: str
    name: str
    family: str
    data_versions: Mapping[str, str]
    stamp: Mapping[str, str]
    git_commit: str
    weights_sha256: str
    judged_by: str = ""
    encoders: Mapping[str, str] = field(default_factory=dict)
    newest_event: str = ""
    warm_started_from: str = ""
    warm_starts: int = 0


class ModelRegistry:
    """The versions below one folder.

    Args:
        root: `<root>/<version>/` holds a version, `<root>/champion` names one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self,
        name: str,
        model: Trainable,
        *,
        metrics: Sequence[Mapping[str, Any]],
        data_versions: Mapping[str, str],
        stamp: Mapping[str, str],
        git_commit: str,
        item_ids: Sequence[str] = (),
        judged_by: str = "",
        encoders: Mapping[str, str] | None = None,
        newest_event: datetime | None = None,
        warm_started_from: str = "",
        warm_starts: int = 0,
    ) -> ModelVersion:
        """Writes a fitted model as a version; one that is there and whole stays as it is.

        Args:
            name: of the model.
            model: fitted.
            metrics: rows of the metrics table.
            data_versions: of the tables it was fitted on.
            stamp: versions of code and settings; with the rest it makes the version's id.
            git_commit: of the checkout.
            item_ids: the vocabulary behind the model's dense indexes.
            judged_by: the version whose figures speak for this one, where it has none of its own.
            encoders: fingerprint of what made the item vectors, by modality.
            newest_event: the newest instant among the events that it could learn from.
            warm_started_from: the version whose weights its fit began with, if any.
            warm_starts: how many there were since a fit from scratch, with its own.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with _new_folder(self.root) as folder:
            model.save(folder)
            made = self._describe(folder, name, data_versions, stamp, git_commit)
            made = replace(
                made,
                judged_by=judged_by,
                encoders=dict(encoders or {}),
                newest_event="" if newest_event is None else newest_event.isoformat(),
                warm_started_from=warm_started_from,
                warm_starts=warm_starts,
            )
            _write_json(folder / METRICS, [dict(row) for row in metrics])
            _write_json(folder / VOCABULARY, list(item_ids))
            _write_json(folder / MANIFEST, asdict(made))
            self._publish(folder, made.version)
        return self.version(made.version)

    def version(self, version: str) -> ModelVersion:
        """What the registry knows of a version.

        Raises:
            UnknownVersionError: there is none of this name.
        """
        content = json.loads(self._file(version, MANIFEST).read_text("utf-8"))
        return ModelVersion(**content)

    def versions(self) -> list[ModelVersion]:
        """All versions, by name."""
        return [self.version(version) for version in self.names()]

    def names(self) -> list[str]:
        """What all versions are called, in order, whether they can be read or not."""
        return sorted(path.parent.name for path in self.root.glob(f"[!.]*/{MANIFEST}"))

    def lacking(self, version: str) -> list[str]:
        """The files that a version should hold and does not.

        Raises:
            UnknownVersionError: there is none of this name.
        """
        folder = self._file(version, MANIFEST).parent
        return [name for name in (CONFIG, WEIGHTS, VOCABULARY) if not (folder / name).is_file()]

    def metrics(self, version: str) -> list[dict[str, Any]]:
        """The metrics rows kept with a version."""
        rows: list[dict[str, Any]] = json.loads(self._file(version, METRICS).read_text("utf-8"))
        return rows

    def record_metrics(self, version: str, metrics: Sequence[Mapping[str, Any]]) -> None:
        """Keeps the metrics rows of a version next to it, in place of what was there.

        Raises:
            UnknownVersionError: there is none of this name.
        """
        path = self._file(version, MANIFEST).parent / METRICS
        content = json.dumps([dict(row) for row in metrics], indent=2, sort_keys=True)
        atomic_write_bytes(path, f"{content}\n".encode())

    def item_ids(self, version: str) -> tuple[str, ...]:
        """The vocabulary behind a version's dense indexes."""
        return tuple(json.loads(self._file(version, VOCABULARY).read_text("utf-8")))

    def load(self, version: str) -> Trainable:
        """The fitted model of a version, after its weights' checksum was verified.

        Raises:
            UnknownVersionError: there is none of this name.
            ModelFormatError: its files are damaged, or no class is known for its family.
        """
        weights = self._file(version, WEIGHTS)
        if weights_sha256(weights.parent) != self.version(version).weights_sha256:
            raise ModelFormatError(f"{weights} is not what was saved; fit the model again.")
        return load_model(weights.parent)

    def written_at(self, version: str) -> float:
        """When the weights of a version were written, in seconds since 1970.

        Raises:
            UnknownVersionError: there is none of this name.
        """
        return self._file(version, WEIGHTS).stat().st_mtime

    def champion(self) -> str | None:
        """The version in use; None before the first promotion.

        Raises:
            ChampionFileError: the file holds no name of a version.
        """
        path = self.root / _CHAMPION
        if not path.is_file():
            return None
        name = path.read_text("utf-8").strip()
        if not _NAME.fullmatch(name):
            raise ChampionFileError(f"{path} holds no name of a version: write one into it.")
        return name

    def promoted_at(self) -> float:
        """When the champion last changed, in seconds since 1970.

        Raises:
            FileNotFoundError: there is no champion yet.
        """
        return (self.root / _CHAMPION).stat().st_mtime

    def promote(self, version: str) -> None:
        """Makes a version the one in use, in one step; `models.champion_history` also keeps why.

        Raises:
            UnknownVersionError: there is none of this name.
        """
        self._file(version, MANIFEST)
        atomic_write_bytes(self.root / _CHAMPION, f"{version}\n".encode())

    def size(self, version: str) -> int:
        """Bytes of the files of a version.

        Raises:
            UnknownVersionError: there is none of this name.
        """
        return _bytes(self._file(version, MANIFEST).parent)

    def remove(self, version: str) -> int:
        """Deletes a version and returns its bytes; whoever has its files open can go on reading.

        It is moved aside first, so that a kill at any moment leaves it whole or gone.

        Raises:
            UnknownVersionError: there is none of this name.
            OSError: it cannot be moved, and stays; or not all of it can be deleted, which the next
                sweep tries again.
        """
        folder = self._file(version, MANIFEST).parent
        freed = _bytes(folder)
        self._delete(folder)
        return freed

    def _delete(self, folder: Path) -> None:
        aside = Path(tempfile.mkdtemp(prefix=_REMOVED, dir=self.root))
        try:
            folder.rename(aside / folder.name)
        except OSError:
            aside.rmdir()
            raise
        sync(self.root)
        shutil.rmtree(aside)

    def sweep(self) -> int:
        """Removes what killed processes left behind; returns how many folders. No writer may run.

        That is what was half written, and what was half deleted.
        """
        stale = [*self.root.glob(f"{_NEW}*"), *self.root.glob(f"{_REMOVED}*")]
        for folder in stale:
            # What cannot be deleted now looks like no version, and is tried again.
            shutil.rmtree(folder, ignore_errors=True)
        return len(stale)

    def _describe(
        self,
        folder: Path,
        name: str,
        data_versions: Mapping[str, str],
        stamp: Mapping[str, str],
        git_commit: str,
    ) -> ModelVersion:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        made_from = {"config": config, "data": dict(data_versions), "stamp": dict(stamp)}
        digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:8]
        return ModelVersion(
            f"{name}-{digest}",
            name,
            family_of(folder),
            dict(data_versions),
            dict(stamp),
            git_commit,
            weights_sha256(folder),
        )

    def _publish(self, folder: Path, version: str) -> None:
        if is_whole(self.root / version):
            return
        if (self.root / version).exists():
            _log.warning("%s was damaged and is replaced.", self.root / version)
            self._delete(self.root / version)
        for path in (*folder.rglob("*"), folder):
            sync(path)
        try:
            folder.rename(self.root / version)
        except OSError:
            # Another process, or the one that this one does again, was faster.
            if not is_whole(self.root / version):
                raise
        sync(self.root)

    def _file(self, version: str, name: str) -> Path:
        path = self.root / version / name
        if path.parent.parent != self.root or not path.is_file():
            raise UnknownVersionError(
                f"The registry {self.root} holds no version {version!r}; it holds "
                f"{', '.join(self.names())}."
            )
        return path


def is_whole(folder: Path) -> bool:
    """Whether a version's folder holds the weights that its manifest speaks of."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        return bool(weights_sha256(folder) == manifest["weights_sha256"])
    except (OSError, ValueError, KeyError):
        return False


@contextmanager
def _new_folder(root: Path) -> Iterator[Path]:
    """A hidden folder for the block; what is still there afterwards is removed."""
    folder = Path(tempfile.mkdtemp(prefix=_NEW, dir=root))
    try:
        yield folder
    finally:
        if folder.exists():
            shutil.rmtree(folder)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
