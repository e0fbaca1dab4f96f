"""The guide to adding a model, followed to the letter."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from models.baselines import Popularity
from models.data import Dataset, Interactions, TokenTable, Vocabulary
from models.evaluation import evaluate

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-model.md"


def kinds(n_users: int = 30, n_items: int = 24) -> tuple[Dataset, Interactions]:
    """Users who choose items of one of three kinds; the attributes say the kind."""
    rng = np.random.default_rng(0)
    rows = [
        (user, item, place)
        for user in range(n_users)
        for place, item in enumerate(rng.permutation(np.arange(user % 3, n_items, 3)))
    ]
    users, items, times = np.array(rows, dtype=np.int32).T
    events = Interactions(users, items, np.ones(len(rows), np.float32), times.astype(np.int64))
    test = times >= times.max() - 1
    train = events.take(~test)
    everything = np.arange(n_items, dtype=np.int32)
    hot = np.eye(3, dtype=np.float32)[everything % 3]
    dataset = Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(n_users))),
        Vocabulary(tuple(f"i{n}" for n in range(n_items))),
        train,
        train.take(np.zeros(len(train), dtype=bool)),
        {"attributes": TokenTable(n_items, everything, np.zeros(n_items, np.int64), hot)},
        np.zeros((len(train), 0), np.float32),
    )
    return dataset, events.take(test)


def test_the_guide_gives_a_model_with_figures(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), flags=re.DOTALL)
    made: dict[str, Any] = {}
    exec("\n".join(blocks), made)
    dataset, test = kinds()

    def ndcg(rows: Any) -> float:
        wanted = ("all", "ndcg", 5)
        return float(next(r.value for r in rows if (r.segment, r.metric, r.k) == wanted))

    popular = evaluate(
        Popularity().fit(dataset), dataset, test, split="user-temporal", run_id="try"
    )
    assert ndcg(made["judged"](dataset, test)) > ndcg(popular.rows)
    fitted = made["TokenOverlap"]().fit(dataset)
    fitted.save(tmp_path)
    loaded = made["TokenOverlap"].load(tmp_path)
    users = dataset.histories()
    np.testing.assert_array_equal(loaded.score(users), fitted.score(users))


def test_what_the_guide_names_is_there() -> None:
    root = GUIDE.parents[1]
    named = re.findall(r"`((?:models|assets|benchmarks)/[\w/.]*)`", GUIDE.read_text("utf-8"))
    assert len(named) >= 6
    assert all((root / path).exists() for path in named)
