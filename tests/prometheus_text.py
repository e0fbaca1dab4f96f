"""Figures out of what `/metrics` answers."""

from prometheus_client.parser import text_string_to_metric_families


def figure(text: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels.

    A suite that imports Feast's servers turns the library's shared files on, and every service
    started in that process goes on counting where the last one ended: compare two figures.

    Args:
        text: in Prometheus' format.
        name: of the samples, `_total` included.
        labels: that a sample has, among others.
    """
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
