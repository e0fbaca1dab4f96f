import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.baselines import Content, ContentConfig, Popularity, RandomRanking
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.evaluation import (
    EvaluationConfig,
    bootstrap_interval,
    evaluate,
    evaluate_ratings,
    metrics_frame,
    paired_difference,
)
from models.matrix_factorisation import MatrixFactorisation, MatrixFactorisationConfig
from models.persistence import ModelFormatError
from models.protocol import Recommender
from models.ranking import ScoreError, tie_breaks, top_k

N_USERS, N_ITEMS, N_GROUPS = 60, 50, 5


def world(seed: int = 0) -> tuple[Dataset, Interactions]:
    """Users who like one group of items each; features say the group. The last five items are
    cold; they and the first five have no text."""
    rng = np.random.default_rng(seed)
    groups = np.arange(N_ITEMS) % N_GROUPS
    rows = []
    for user in range(N_USERS):
        liked = np.flatnonzero(groups[:-5] == user % N_GROUPS)
        rows.append(rng.choice(liked, 8, replace=False))
    items = np.concatenate(rows).astype(np.int32)
    n = len(items)
    events = Interactions(
        np.repeat(np.arange(N_USERS), 8).astype(np.int32),
        items,
        (1 + rng.integers(0, 5, n)).astype(np.float32),
        np.arange(n, dtype=np.int64),
    )
    last = np.arange(n) % 8 >= 6
    features = np.eye(N_GROUPS, dtype=np.float32)[groups]
    present = np.arange(5, N_ITEMS - 5, dtype=np.int32)
    text = TokenTable(N_ITEMS, present, np.zeros(len(present), np.int64), features[present])
    dataset = Dataset(
        Vocabulary(tuple(f"u{user}" for user in range(N_USERS))),
        Vocabulary(tuple(f"i{item}" for item in range(N_ITEMS))),
        events.take(~last),
        events.take(np.zeros(n, bool)),
        {"text": text},
        np.zeros((int((~last).sum()), 0), np.float32),
    )
    return dataset, events.take(last)


MODELS: dict[str, Callable[[], Recommender]] = {
    "random": RandomRanking,
    "popularity": Popularity,
    "content": Content,
    "concat": lambda: MatrixFactorisation(MatrixFactorisationConfig(epochs=3, dim=4)),
    "dot": lambda: MatrixFactorisation(MatrixFactorisationConfig(form="dot", epochs=3, dim=4)),
}


@pytest.fixture(params=sorted(MODELS))
def model(request: pytest.FixtureRequest) -> Recommender:
    return MODELS[request.param]().fit(world()[0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_top_k_is_the_whole_order_cut_at_k(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(-2, 3, (4, 9)).astype(np.float32)
    scores[rng.random((4, 9)) < 0.2] = -np.inf
    scores[rng.random((4, 9)) < 0.1] = -0.0
    ties = tie_breaks([f"item-{n}" for n in range(9)], seed % 1000)
    ranking = top_k(scores, k, ties)
    for row in range(4):
        order = sorted(
            np.flatnonzero(scores[row] > -np.inf), key=lambda i: (-scores[row, i], ties[i])
        )
        expected = (order + [-1] * k)[:k]
        assert ranking.items[row].tolist() == expected
        assert ranking.scores[row].tolist() == [
            scores[row, item] if item >= 0 else -np.inf for item in expected
        ]


def test_ties_follow_the_hash_of_the_id_and_not_the_row() -> None:
    ids = [f"i{n}" for n in range(100)]
    places = dict(zip(ids, tie_breaks(ids, 1), strict=True))
    backwards = dict(zip(ids[::-1], tie_breaks(ids[::-1], 1), strict=True))
    assert places == backwards
    assert sorted(places.values()) == list(range(100))
    assert not np.array_equal(tie_breaks(ids, 1), tie_breaks(ids, 2))


def test_a_score_of_nan_is_an_error() -> None:
    with pytest.raises(ScoreError, match="NaN"):
        top_k(np.array([[np.nan]], np.float32), 1, np.zeros(1, np.int32))


def test_lists_leave_out_what_is_excluded(model: Recommender) -> None:
    dataset, _ = world()
    past = dataset.histories()
    ranking = model.recommend(past, 10, past)
    for user in range(N_USERS):
        mine = past.items[past.offsets[user] : past.offsets[user + 1]]
        assert not set(ranking.items[user].tolist()) & set(mine.tolist())
    assert model.recommend(Histories.empty(2), 3).items.shape == (2, 3)


def test_a_saved_model_is_the_same_model(model: Recommender, tmp_path: Path) -> None:
    model.save(tmp_path)
    loaded = type(model).load(tmp_path)
    past = world()[0].histories()
    assert loaded.name == model.name
    np.testing.assert_array_equal(loaded.score(past), model.score(past))
    again = model.recommend(past, 7, past)
    np.testing.assert_array_equal(loaded.recommend(past, 7, past).items, again.items)
    chosen = np.array([4, 2], dtype=np.int32)
    np.testing.assert_allclose(model.score(past, chosen), model.score(past)[:, chosen], rtol=1e-6)


def test_one_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        MODELS["dot"]().fit(world()[0]).save(folder)
        digests.append(hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_a_damaged_model_says_so(tmp_path: Path) -> None:
    Popularity().fit(world()[0]).save(tmp_path)
    with pytest.raises(ModelFormatError, match="holds a 'popularity' model"):
        RandomRanking.load(tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:20])
    with pytest.raises(ModelFormatError, match="cannot be read"):
        Popularity.load(tmp_path)


def test_evaluation_tells_taste_from_chance() -> None:
    dataset, test = world()
    config = EvaluationConfig(samples=200)
    made = {
        name: evaluate(
            MODELS[name]().fit(dataset), dataset, test, split="s", run_id="r", config=config
        )
        for name in ("content", "popularity", "random")
    }
    ndcg = {name: result.per_user["ndcg", 10] for name, result in made.items()}
    assert paired_difference(ndcg["content"], ndcg["random"], 200, 1).low > 0
    frame = metrics_frame(made["content"].rows)
    assert max(row.n_users for row in made["content"].rows) == N_USERS
    value, low, high = frame.drop_nulls("ci_low").select("value", "ci_low", "ci_high").to_numpy().T
    assert (low <= value).all() and (value <= high).all()
    assert {"all", "items-head", "items-tail", "recency-hour", "missing-text"} <= set(
        frame["segment"]
    )
    assert {"coverage", "gini", "novelty", "diversity"} <= set(frame["metric"])
    assert (
        made["content"].rows
        == evaluate(
            Content(ContentConfig()).fit(dataset),
            dataset,
            test,
            split="s",
            run_id="r",
            config=config,
        ).rows
    )


def test_an_item_that_cannot_be_ranked_is_a_miss_not_dropped() -> None:
    dataset, test = world()
    unseen = replace(test, items=np.full(len(test), N_ITEMS - 1, np.int32))
    result = evaluate(Content().fit(dataset), dataset, unseen, split="s", run_id="r")
    assert len(result.users) == N_USERS and (result.per_user["recall", 50] == 0).all()


def test_only_candidates_are_ranked() -> None:
    dataset, test = world()
    candidates = np.zeros(N_ITEMS, dtype=bool)
    candidates[:15] = True
    result = evaluate(
        Popularity().fit(dataset), dataset, test, split="s", run_id="r", candidates=candidates
    )
    assert result.ranking.items.max() < 15
    assert (result.ranking.items == -1).any()


def test_rating_errors_have_intervals_over_users() -> None:
    dataset, test = world()
    model = MatrixFactorisation(MatrixFactorisationConfig(epochs=3, dim=4)).fit(dataset)
    mse, rmse = evaluate_ratings(model, test, split="random", run_id="r")
    assert mse.ci_low is not None and mse.ci_high is not None
    assert mse.ci_low < mse.value < mse.ci_high
    assert rmse.value == pytest.approx(np.sqrt(mse.value))
    off = model.predict_ratings(test.users, test.items) - test.values
    assert mse.value == pytest.approx(float(np.square(off, dtype=np.float64).mean()), rel=1e-5)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(80, 300))
    found = [bootstrap_interval(row, 300, seed) for seed, row in enumerate(draws)]
    covered = sum(bool(one.low[0] <= 0 <= one.high[0]) for one in found)
    assert 68 <= covered <= 80


def test_a_paired_difference_leaves_out_who_was_not_measured() -> None:
    a = np.array([1.0, 0.5, np.nan, 0.2])
    result = paired_difference(a, np.array([0.0, 0.5, 0.3, 0.1]), 500, 0)
    assert result.n_users == 3
    assert result.mean == pytest.approx(1.1 / 3)
    assert result.low <= result.mean <= result.high
    assert paired_difference(a[2:3], a[2:3]).n_users == 0


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(("form", "bar"), [("concat", 0.81), ("dot", 0.775)])
def test_rating_error_on_real_ratings(shared_data: Path, form: str, bar: float) -> None:
    import polars as pl

    from models.assembly import dataset, indexed_events
    from models.splits import random_split

    ratings = pl.read_csv(shared_data / "ml-latest-small" / "ratings.csv").select(
        user_id=pl.col("userId").cast(pl.String),
        item_id=pl.col("movieId").cast(pl.String),
        value=pl.col("rating").cast(pl.Float32),
        event_timestamp=pl.from_epoch("timestamp").dt.replace_time_zone("UTC"),
    )
    log = indexed_events(ratings, ratings["item_id"].unique().sort().to_list(), 42)
    split = random_split(len(log.events), 42)
    config = MatrixFactorisationConfig.model_validate({"form": form})
    fitted = MatrixFactorisation(config).fit(dataset(log, split.train, split.validation, {}))
    mse, _ = evaluate_ratings(fitted, log.events.take(split.test), split="random", run_id="r")
    assert mse.value <= bar
