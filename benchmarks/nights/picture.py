"""The nights in one picture."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.nights.judging import Morning


def draw(mornings: Sequence[Morning], path: Path) -> None:
    """NDCG@10 of the three models by night, and the champion's lead with its interval."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    nights = [one.night for one in mornings]
    figure, (values, lead) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    values.plot(nights, [one.ndcg for one in mornings], "k-o", label="this morning's champion")
    values.plot(nights, [one.frozen_ndcg for one in mornings], "-o", label="first version, frozen")
    values.plot(nights, [one.popularity_ndcg for one in mornings], "--o", label="popularity")
    values.set(title="NDCG@10 on the next week's events", xlabel="night", xticks=nights)
    values.legend(fontsize=8)
    means = [one.difference.mean for one in mornings]
    below = [one.difference.mean - one.difference.low for one in mornings]
    above = [one.difference.high - one.difference.mean for one in mornings]
    lead.errorbar(nights, means, yerr=[below, above], fmt="k-o", capsize=3)
    lead.axhline(0, color="0.6", lw=0.8)
    lead.set(title="champion less frozen, 95 % interval over users", xlabel="night", xticks=nights)
    for axis in (values, lead):
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)
