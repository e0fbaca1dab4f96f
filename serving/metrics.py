"""What Prometheus reads; no label ever holds a user or an item."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from psutil import pid_exists

from serving.schemas import AnswerPath

_OWN = "crossmodal_"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The figures of the service, of all its processes together.

    Args:
        folder: where the processes keep them, and where `PROMETHEUS_MULTIPROC_DIR` points; None for
            a lone process, which keeps them in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._version: str | None = None
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "crossmodal_requests",
            "Requests by route and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.latency = Histogram(
            "crossmodal_request_seconds",
            "From the request to the last byte of the answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.stages = Histogram(
            "crossmodal_stage_seconds",
            "One stage of making an answer.",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.answers = Counter(
            "crossmodal_answers",
            "Lists by what made them; `fallback` is one that did without a stage.",
            ("path",),
            registry=self.registry,
        )
        for path in get_args(AnswerPath):
            self.answers.labels(path)
        self.remembered = Counter(
            "crossmodal_lists_remembered",
            "Lists answered from memory, since nothing that they depend on had changed.",
            registry=self.registry,
        )
        self.missed = Counter(
            "crossmodal_stages_missed",
            "Stages that failed or were late, and that an answer did without.",
            ("stage", "why"),
            registry=self.registry,
        )
        self.waiting = Gauge(
            "crossmodal_event_batches_waiting",
            "Batches of events that wait for the disk.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.champion = Gauge(
            "crossmodal_champion_workers",
            "Processes in which a version of the model answers.",
            ("model_version",),
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.trained = Gauge(
            "crossmodal_champion_trained_timestamp_seconds",
            "When the weights of the champion were written; the oldest, where processes differ.",
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self.features_made = Gauge(
            "crossmodal_features_timestamp_seconds",
            "When Feast's online store was filled last.",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.refused = Counter(
            "crossmodal_champions_refused",
            "Champions that were named and could not be loaded.",
            registry=self.registry,
        )

    def answers_with(self, version: str, trained_at: float) -> None:
        """Notes the champion that answers from now on, and when its weights were written."""
        if self._version is not None:
            self.champion.labels(self._version).set(0)
        self._version = version
        self.champion.labels(version).set(1)
        self.trained.set(trained_at)

    def text(self) -> bytes:
        """All figures in Prometheus' own format."""
        if self._folder is None:
            return generate_latest(self.registry)
        _forget_the_dead(self._folder)
        together = CollectorRegistry()
        together.register(_Own(self._folder))
        return generate_latest(together)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stages.labels(name).observe(time.perf_counter() - started)


class _Own(Collector):
    """The service's own figures of all processes.

    Feast keeps some in the same files, of a server of its own: here they would be 0 for ever.

    Args:
        folder: in which the processes keep them.
    """

    def __init__(self, folder: Path) -> None:
        self._all = MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Metric]:
        """The figures of this instant."""
        figures: Iterable[Metric] = self._all.collect()  # type: ignore[no-untyped-call]
        return (metric for metric in figures if metric.name.startswith(_OWN))


def _forget_the_dead(folder: Path) -> None:
    """Removes what killed processes said of their state; what they counted stays counted."""
    for path in folder.glob("gauge_live*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not pid_exists(pid):
            path.unlink(missing_ok=True)
