from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.content import content_at
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.gat import GAT, GATConfig, NotFittedError
from models.gat.choices import Choices
from models.gat.graph import Fanout, Graph, View, draw
from models.gat.nearest import NearestItems
from models.gat.network import GATNetwork
from models.persistence import ModelFormatError
from models.protocol import Recommender
from models.reducers import fit_reducers
from models.sequences import Scale, recent_of

USERS, ITEMS, KINDS, COLD = 60, 40, 4, 8
SMALL = GATConfig(
    dim=16, user_heads=2, epochs=20, patience=20, batch_size=64, components=8, neighbours=5
)

BRIEF = SMALL.model_copy(update={"epochs": 3})
"""For what does not depend on how much was learned."""


def tastes(seed: int = 0) -> Dataset:
    """Users who like one of four kinds; the text says the kind, the picture is noise.

    The last `COLD` items have no event.
    """
    rng = np.random.default_rng(seed)
    kind = np.arange(ITEMS) % KINDS
    items = [
        rng.permutation(np.flatnonzero(kind[: ITEMS - COLD] == user % KINDS))[:7]
        for user in range(USERS)
    ]
    user, item = np.repeat(np.arange(USERS), [len(x) for x in items]), np.concatenate(items)
    events = Interactions(
        user.astype(np.int32),
        item.astype(np.int32),
        rng.integers(1, 6, len(user)).astype(np.float32),
        np.arange(len(user), dtype=np.int64) * 1_000_000,
    )
    last = np.r_[np.diff(events.users) != 0, True]
    text = np.eye(KINDS)[kind] + 0.05 * rng.standard_normal((ITEMS, KINDS))
    picture = rng.standard_normal((ITEMS - 3, 12))
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(USERS))),
        Vocabulary(tuple(f"i{n}" for n in range(ITEMS))),
        events.take(~last),
        events.take(last),
        {"text": table(np.arange(ITEMS), text), "image": table(np.arange(ITEMS - 3), picture)},
        np.zeros((int((~last).sum()), 0), dtype=np.float32),
    )


def table(items: np.ndarray, features: np.ndarray, known_at: int = 0) -> TokenTable:
    return TokenTable(
        ITEMS,
        items.astype(np.int32),
        np.full(len(items), known_at, dtype=np.int64),
        features.astype(np.float32),
    )


def graph_of(data: Dataset, k: int = 5) -> Graph:
    choices = Choices.of(data.train, USERS, ITEMS, Scale.of(data.train.values))
    return Graph(choices, NearestItems.fit(data.tokens, k)(data.tokens, ITEMS))


def everything(graph: Graph) -> View:
    return graph.whole(np.ones(graph.n_items, dtype=bool))


def drawn(graph: Graph, view: View, most: int = 1000) -> set[tuple[int, int, int]]:
    """All edges that can be seen: (reader, read, type)."""
    nodes = np.arange(graph.n_items + graph.n_users)
    edges = graph.neighbours(nodes, Fanout(most, most, most), view, np.random.default_rng(0))
    kinds = edges.attributes[:, : 2 + len(graph.nearest)].argmax(axis=1)
    return set(zip(nodes[edges.owner].tolist(), edges.source.tolist(), kinds.tolist(), strict=True))


@pytest.fixture(scope="module")
def data() -> Dataset:
    return tastes()


@pytest.fixture(scope="session")
def model() -> GAT:
    return GAT(SMALL).fit(tastes())


def test_it_is_a_recommender(model):
    assert isinstance(model, Recommender)


def of_the_liked_kind(model: GAT, data: Dataset) -> float:
    """Share of users whose best cold item is of the kind that they like."""
    cold = np.arange(ITEMS - COLD, ITEMS, dtype=np.int32)
    best = cold[model.score(data.histories(), cold).argmax(axis=1)]
    return float((best % KINDS == np.arange(USERS) % KINDS).mean())


def test_cold_items_of_the_liked_kind_come_first(data, model):
    assert model.config.layers == 1
    assert of_the_liked_kind(model, data) > 0.9


@pytest.mark.slow
def test_so_they_do_after_a_second_layer(data):
    model = GAT(SMALL.model_copy(update={"layers": 2})).fit(data)
    assert of_the_liked_kind(model, data) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["gated_attention", "autoencoder"])
def test_every_operator_of_fusion_is_a_setting(data, operator, tmp_path: Path):
    model = GAT(SMALL.model_copy(update={"operator": operator})).fit(data)
    assert of_the_liked_kind(model, data) > 0.8
    model.save(tmp_path)
    loaded = GAT.load(tmp_path)
    np.testing.assert_array_equal(loaded.score(data.histories()), model.score(data.histories()))


@pytest.mark.slow
def test_an_autoencoder_is_trained_to_reconstruct(data):
    told = [
        GAT(SMALL.model_copy(update={"operator": "autoencoder", "auxiliary_weight": weight}))
        for weight in (0.0, 1.0)
    ]
    reducers = fit_reducers(data.tokens, data.train, SMALL.components, SMALL.seed)
    errors = []
    for model in told:
        model.fit(data)
        fuse = model.network.items.fuse
        items = torch.arange(ITEMS)
        content = content_at(data.tokens, reducers, ITEMS)
        with torch.no_grad():
            torch.manual_seed(0)
            errors.append(float(fuse.auxiliary_loss(content, items, items < ITEMS - COLD)))
    assert errors[1] < 0.5 * errors[0]


def test_an_unknown_operator_names_the_choices():
    with pytest.raises(ValueError, match=r"'sum', 'concatenation', .* or 'mixture_of_experts'"):
        GATConfig(operator="product")


def test_held_out_items_rank_above_chance(data, model):
    scores = model.score(data.histories())
    taken = data.histories()
    scores[np.repeat(np.arange(USERS), taken.lengths), taken.items] = -np.inf
    wanted = scores[data.validation.users, data.validation.items]
    better = (scores > wanted[:, None]).sum(axis=1)
    assert better.mean() < 0.3 * np.isfinite(scores).sum(axis=1).mean()


def test_training_lowers_the_loss_and_tells_its_curve(model):
    assert model.curve.train[-1] < model.curve.train[0]
    assert model.curve.best_epoch > 0, "the weights it began with are not the best"
    assert len(model.curve.train) == len(model.curve.validation)


def test_without_validation_events_the_training_loss_chooses(data):
    nothing = data.validation.take(np.zeros(0, dtype=np.int64))
    curve = GAT(BRIEF).fit(replace(data, validation=nothing)).curve
    assert curve.validation == curve.train
    assert curve.best_epoch == 1 + int(np.argmin(curve.train))


def test_the_same_seed_gives_the_same_bytes(data, tmp_path: Path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        GAT(BRIEF).fit(data).save(folder)
    first, second = (
        {path.name: path.read_bytes() for path in sorted(folder.iterdir())} for folder in folders
    )
    assert first == second and set(first) == {"weights.safetensors", "config.json"}


def test_saved_and_loaded_it_scores_the_same(data, model, tmp_path: Path):
    model.save(tmp_path)
    loaded = GAT.load(tmp_path)
    np.testing.assert_array_equal(model.score(data.histories()), loaded.score(data.histories()))
    np.testing.assert_array_equal(
        model.recommend(data.histories(), 5).items, loaded.recommend(data.histories(), 5).items
    )


def test_a_folder_without_a_model_is_named(tmp_path: Path):
    with pytest.raises(ModelFormatError, match=str(tmp_path)):
        GAT.load(tmp_path)


def test_an_unfitted_model_says_so(data):
    with pytest.raises(NotFittedError, match="fit or load"):
        GAT(SMALL).score(data.histories())


def test_scores_do_not_depend_on_who_else_is_asked(data, model):
    together = model.score(data.histories())
    alone = model.score(data.histories(np.array([17], dtype=np.int32)))
    np.testing.assert_allclose(together[17:18], alone, rtol=1e-4, atol=1e-5)


def test_a_user_is_their_history_and_a_new_event_counts_at_once(data, model):
    known = data.histories(np.array([3], dtype=np.int32))
    stranger = Histories(
        known.offsets, known.items, known.values, known.timestamps, np.full(1, -1, dtype=np.int32)
    )
    np.testing.assert_array_equal(model.score(known), model.score(stranger))
    before = Histories(
        known.offsets - [0, 1], known.items[:-1], known.values[:-1], known.timestamps[:-1],
        stranger.users,
    )  # fmt: skip
    assert not np.allclose(model.score(stranger), model.score(before))


def test_a_user_without_history_gets_finite_scores(model):
    scores = model.score(Histories.empty(2))
    assert scores.shape == (2, ITEMS) and np.isfinite(scores).all()
    assert model.score(Histories.empty(0)).shape == (0, ITEMS)


def test_recommend_excludes_sorts_and_fills_up(data, model):
    histories = data.histories()
    ranking = model.recommend(histories, ITEMS + 4, exclude=histories)
    assert (ranking.items[:, -4:] == -1).all() and np.isneginf(ranking.scores[:, -4:]).all()
    assert (np.diff(ranking.scores[:, :20], axis=1) <= 0).all()
    for user in range(USERS):
        taken = histories.items[histories.offsets[user] : histories.offsets[user + 1]]
        assert not set(taken) & set(ranking.items[user])


@pytest.mark.slow
def test_without_tokens_behaviour_alone_is_learned(data):
    model = GAT(SMALL).fit(data.with_tokens({}))
    warm = np.arange(ITEMS - COLD, dtype=np.int32)
    same = (warm % KINDS)[None, :] == (np.arange(USERS) % KINDS)[:, None]
    scores = model.score(data.histories(), warm)
    assert scores[same].mean() > scores[~same].mean() + 0.5


def test_without_events_scores_are_finite(data):
    nothing = data.train.take(np.zeros(0, dtype=np.int64))
    empty = Dataset(
        data.user_ids, data.item_ids, nothing, nothing, data.tokens, data.context[:0]
    )  # fmt: skip
    model = GAT(SMALL).fit(empty)
    assert np.isfinite(model.score(Histories.empty(1))).all()


@pytest.mark.slow
def test_with_sampled_items_it_still_learns(data):
    model = GAT(SMALL.model_copy(update={"sampled_items": 8})).fit(data)
    assert of_the_liked_kind(model, data) > 0.7


def test_the_weights_over_a_history_sum_to_one(data, model):
    past = recent_of(data.histories(), Scale.of(data.train.values), 100)
    with torch.no_grad():
        _, user, weights = model.network.users.read(
            model.vectors, past.items, past.values, past.present
        )
    sums = torch.zeros(USERS, weights.shape[1]).index_add(0, user, weights)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_the_weights_over_an_items_neighbours_sum_to_one(data):
    graph = graph_of(data)
    near = graph.neighbourhood(
        np.arange(ITEMS), [Fanout(3, 3, 3)], everything(graph), np.random.default_rng(0)
    )
    network = GATNetwork(2, ITEMS, SMALL)
    block, attend = near.blocks[0], network.items.rounds[0]
    x = torch.randn(len(block.sources), SMALL.dim)
    _, (index, weights) = attend(
        (x, x[: block.n_targets]), block.index, block.attributes, return_attention_weights=True
    )
    sums = torch.zeros(block.n_targets, SMALL.heads).index_add(0, index[1], weights)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_an_item_without_events_is_told_by_its_neighbours(data):
    graph = graph_of(data)
    reducers = fit_reducers(data.tokens, data.train, SMALL.components, 0)
    content = content_at(data.tokens, reducers, ITEMS)
    network = GATNetwork(2, ITEMS, SMALL).eval()
    known = np.arange(ITEMS) < ITEMS - COLD

    def vectors(view: View) -> torch.Tensor:
        cold = np.arange(ITEMS - COLD, ITEMS)
        near = graph.neighbourhood(cold, [Fanout(9, 9, 9)], view, np.random.default_rng(0))
        return network.items(near, content.take(near.items), torch.from_numpy(known)[near.items])

    tied = graph.whole(known)
    alone = View(tied.until, tied.instant, tied.known, np.zeros_like(tied.kept))
    with torch.no_grad():
        differs = (vectors(tied) - vectors(alone)).abs().amax(dim=1)
    assert (differs > 1e-3).all()


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(1, 12), st.integers(0, 2**32)
)
def test_draws_are_true_rows_none_twice_at_most_so_many_and_all_when_fewer(lengths, most, seed):
    stops = np.cumsum(lengths)
    starts = stops - lengths
    owner, rows = draw(starts, stops, most, np.random.default_rng(seed))
    assert (np.diff(owner) >= 0).all()
    for i, length in enumerate(lengths):
        own = rows[owner == i]
        assert len(own) == len(set(own.tolist())) == min(length, most)
        assert ((own >= starts[i]) & (own < stops[i])).all()


def test_every_row_has_the_same_chance():
    n, most, times = 11, 4, 20_000
    starts = np.zeros(times, dtype=np.int64)
    _, rows = draw(starts, starts + n, most, np.random.default_rng(0))
    shares = np.bincount(rows, minlength=n) / times
    np.testing.assert_allclose(shares, most / n, atol=0.02)


def test_edges_are_the_events_and_the_nearest_items(data):
    graph = graph_of(data)
    users, items = ITEMS + data.train.users, data.train.items
    expected = set(zip(users.tolist(), items.tolist(), [0] * len(users), strict=True))
    expected |= set(zip(items.tolist(), users.tolist(), [1] * len(users), strict=True))
    for kind, near in enumerate(graph.nearest, start=2):
        owners = np.repeat(np.arange(ITEMS), np.diff(near.offsets))
        expected |= set(
            zip(owners.tolist(), near.items.tolist(), [kind] * len(owners), strict=True)
        )
    assert drawn(graph, everything(graph)) == expected
    assert drawn(graph, everything(graph), most=2) < expected


def test_edges_tell_value_recency_and_similarity(data):
    graph = graph_of(data)
    nodes = np.arange(ITEMS + USERS)
    edges = graph.neighbours(nodes, Fanout(99, 99, 99), everything(graph), np.random.default_rng(0))
    value, recency, similarity = edges.attributes[:, -3:].T
    of_events = edges.attributes[:, :2].any(axis=1)
    assert (similarity[of_events] == 0).all() and (similarity[~of_events] > 0).all()
    assert (value[~of_events] == 0).all() and (recency[~of_events] == 0).all()
    standardised = Scale.of(data.train.values)(data.train.values)
    assert set(np.unique(value[of_events])) == set(np.unique(standardised))
    assert recency.max() == 1.0


def test_a_view_hides_what_a_step_may_not_see(data):
    graph = graph_of(data)
    whole = everything(graph)
    user = int(data.train.users[-1])
    rows = np.flatnonzero(data.train.users == user)
    later = data.train.items[rows[2:]].tolist()
    until = whole.until.copy()
    until[user] = rows[2]
    known, kept = whole.known.copy(), whole.kept.copy()
    known[0], kept[1, 0] = False, False
    edges = drawn(graph, View(until, whole.instant, known, kept))
    assert not {(ITEMS + user, item, 0) for item in later} & edges
    assert not {(item, ITEMS + user, 1) for item in later} & edges
    assert (ITEMS + user, int(data.train.items[rows[0]]), 0) in edges
    assert not any(reader == 0 and kind == 1 for reader, _, kind in edges)
    assert not any(reader == 1 and kind == 2 for reader, _, kind in edges)


def test_a_likeness_of_reviews_is_hidden_before_both_are_written(data):
    features = data.tokens["text"].features
    written = np.arange(ITEMS, dtype=np.int64)
    reviews = TokenTable(ITEMS, np.arange(ITEMS, dtype=np.int32), written, features)
    graph = graph_of(data.with_tokens({"reviews": reviews}))
    whole = everything(graph)
    edges = drawn(graph, View(whole.until, 20, whole.known, whole.kept))
    ends = [max(reader, read) for reader, read, kind in edges if kind == 2]
    assert ends and max(ends) < 20
