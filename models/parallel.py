"""Models fitted side by side, each in a process of its own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from joblib import Parallel, delayed

from models.catalogue.families import load_model
from models.data import Dataset
from models.protocol import Trainable


def fit_all(
    builders: Mapping[str, Callable[[], Trainable]], dataset: Dataset, processes: int
) -> dict[str, Trainable]:
    """Fits every model to a dataset.

    With more than one process a model comes back as it was saved, without its training curve. The
    last builders are begun first: a long fit that is begun last leaves the other processes idle.

    Args:
        builders: make unfitted models.
        dataset: what each is fitted to.
        processes: that fit at the same time; with one, this process does.

    Returns:
        Fitted models by name, in the order of the builders.
    """
    if processes == 1:
        return {name: build().fit(dataset) for name, build in builders.items()}
    # Windows cannot delete what the models still map.
    with TemporaryDirectory(prefix="fits-", ignore_cleanup_errors=True) as folder:
        homes = {name: Path(folder) / str(place) for place, name in enumerate(builders)}
        # Large arrays are mapped rather than sent; copies on write keep them writable for torch.
        Parallel(n_jobs=processes, mmap_mode="c")(
            delayed(_fit)(builders[name], dataset, homes[name]) for name in reversed(homes)
        )
        return {name: load_model(home) for name, home in homes.items()}


def _fit(build: Callable[[], Trainable], dataset: Dataset, folder: Path) -> None:
    folder.mkdir()
    build().fit(dataset).save(folder)
