"""What Prometheus is told; no label ever holds a user or an item."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
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
        self.waiting = Gauge(
            "crossmodal_event_batches_waiting",
            "Batches of events that wait for the disk.",
            registry=self.registry,
        )
        self.champion = Gauge(
            "crossmodal_champion_loaded_timestamp_seconds",
            "When the champion in use was loaded.",
            ("model_version",),
            registry=self.registry,
        )
        self.refused = Counter(
            "crossmodal_champions_refused",
            "Champions that were named and could not be loaded.",
            registry=self.registry,
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stages.labels(name).observe(time.perf_counter() - started)
