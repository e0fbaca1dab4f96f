from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.baselines import Popularity
from models.content import Content
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.metrics import ndcg
from models.persistence import ModelFormatError, NotFittedError
from models.protocol import Recommender
from models.retrieval_loss import CandidateDraw, focused_softmax_loss
from models.training import torch_generator
from models.transformer import Transformer, TransformerConfig
from models.transformer.network import ItemEncoder, TransformerNetwork
from models.transformer.transitions import TransitionFactors
from models.transformer.windows import Log, Sequences, cut, gap_buckets, had_from

USERS, ITEMS, COLD, LENGTH = 80, 48, 6, 14
SECOND = 1_000_000
SMALL = TransformerConfig(dim=16, heads=2, components=8, epochs=8, patience=8, history=10)


def walks(seed: int = 0) -> Dataset:
    """Users who walk round a ring of items: the next item is the last one's successor.

    Item i's successor is i + 1; most walks begin at the first items. The last `COLD` items have no
    event; the text of item i says where on the ring it is, and a cold item's says it stands beside
    one of them. The picture is noise.
    """
    rng = np.random.default_rng(seed)
    ring = ITEMS - COLD
    starts = (ring * rng.random(USERS) ** 3).astype(int)
    items = (starts[:, None] + np.arange(LENGTH)) % ring
    users = np.repeat(np.arange(USERS), LENGTH)
    events = Interactions(
        users.astype(np.int32),
        items.ravel().astype(np.int32),
        rng.integers(1, 6, USERS * LENGTH).astype(np.float32),
        np.tile(np.arange(LENGTH, dtype=np.int64), USERS) * 60 * SECOND,
    )
    last = np.tile(np.arange(LENGTH) == LENGTH - 1, USERS)
    place = np.r_[np.arange(ring), np.arange(COLD) * (ring // COLD)]
    angle = 2 * np.pi * place / ring
    text = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    picture = rng.standard_normal((ITEMS - 3, 12))
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(USERS))),
        Vocabulary(tuple(f"i{n}" for n in range(ITEMS))),
        events.take(~last),
        events.take(last),
        {"text": table(text), "image": table(picture)},
        np.zeros((int((~last).sum()), 0), dtype=np.float32),
    )


def table(features: np.ndarray) -> TokenTable:
    n = len(features)
    return TokenTable(
        ITEMS, np.arange(n, dtype=np.int32), np.zeros(n, dtype=np.int64), features.astype("f4")
    )


def next_item_ndcg(model: Recommender, data: Dataset) -> float:
    histories = data.histories(data.validation.users)
    ranking = model.recommend(histories, 10, exclude=histories)
    hits = ranking.items == data.validation.items[:, None]
    return float(ndcg(hits, np.ones(len(hits), dtype=np.int64), 10).mean())


@pytest.fixture(scope="module")
def data() -> Dataset:
    return walks()


@pytest.fixture(scope="module")
def model(data: Dataset) -> Transformer:
    return Transformer(SMALL).fit(data)


def test_it_is_a_recommender(model):
    assert isinstance(model, Recommender)


@pytest.mark.parametrize("operator", ["self_attention", "concatenation", "gated_attention"])
def test_it_learns_what_follows_what(data, operator):
    model = Transformer(SMALL.model_copy(update={"operator": operator})).fit(data)
    popularity = next_item_ndcg(Popularity().fit(data), data)
    assert next_item_ndcg(model, data) > max(0.7, 2 * popularity)


def test_without_transitions_and_tokens_it_learns_by_steps_alone(data):
    settings = {"transition_gain": 0.0, "learning_rate": 2e-2, "epochs": 10}
    bare = data.with_tokens({})
    model = Transformer(SMALL.model_copy(update=settings)).fit(bare)
    assert next_item_ndcg(model, bare) > 2 * next_item_ndcg(Popularity().fit(bare), bare)


def test_cold_items_beside_the_walk_come_first(data, model):
    cold = np.arange(ITEMS - COLD, ITEMS, dtype=np.int32)
    ring = ITEMS - COLD
    place = np.arange(COLD) * (ring // COLD)
    middle = (data.validation.items - LENGTH // 2) % ring
    distance = np.abs(place[None, :] - middle[:, None])
    distance = np.minimum(distance, ring - distance)
    scores = model.score(data.histories(data.validation.users), cold)
    best = np.take_along_axis(distance, scores.argmax(axis=1)[:, None], axis=1)
    assert best.mean() < 0.5 * distance.mean()


def test_training_lowers_the_loss_and_tells_its_curve(model):
    assert model.curve.train[-1] < model.curve.train[0]
    assert len(model.curve.train) == len(model.curve.validation) <= SMALL.epochs


def test_the_same_seed_gives_the_same_bytes(data, model, tmp_path: Path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder, fitted in zip(folders, (model, Transformer(SMALL).fit(data)), strict=True):
        folder.mkdir()
        fitted.save(folder)
    first, second = (
        {path.name: path.read_bytes() for path in sorted(folder.iterdir())} for folder in folders
    )
    assert first == second and set(first) == {"weights.safetensors", "config.json"}


def test_another_seed_gives_other_scores(data, model):
    other = Transformer(SMALL.model_copy(update={"seed": 1})).fit(data)
    assert np.abs(model.score(data.histories()) - other.score(data.histories())).max() > 1e-3


def test_saved_and_loaded_it_scores_the_same(data, model, tmp_path: Path):
    model.save(tmp_path)
    loaded = Transformer.load(tmp_path)
    histories = data.histories()
    np.testing.assert_array_equal(model.score(histories), loaded.score(histories))
    np.testing.assert_array_equal(
        model.recommend(histories, 5).items, loaded.recommend(histories, 5).items
    )


def test_a_folder_without_a_transformer_is_named(data, tmp_path: Path):
    with pytest.raises(ModelFormatError, match=str(tmp_path)):
        Transformer.load(tmp_path)
    Popularity().fit(data).save(tmp_path)
    with pytest.raises(ModelFormatError, match="popularity"):
        Transformer.load(tmp_path)


def test_an_unfitted_model_says_so(data):
    with pytest.raises(NotFittedError, match="fit or load"):
        Transformer(SMALL).score(data.histories())


def test_scores_do_not_depend_on_who_else_is_asked(data, model):
    together = model.score(data.histories())
    alone = model.score(data.histories(np.array([17], dtype=np.int32)))
    np.testing.assert_allclose(together[17:18], alone, rtol=1e-4, atol=1e-5)


def test_scores_of_some_items_are_those_of_all(data, model):
    some = np.array([40, 3, 47], dtype=np.int32)
    whole = model.score(data.histories())
    np.testing.assert_allclose(model.score(data.histories(), some), whole[:, some], rtol=1e-4)


def test_only_the_last_events_are_read(data, model):
    whole = data.histories(np.array([5], dtype=np.int32))
    longer = whole.beside(np.array([1, 2, 3], dtype=np.int32))
    keep = slice(-SMALL.history, None)
    recent = Histories(
        np.array([0, SMALL.history]),
        whole.items[keep],
        whole.values[keep],
        whole.timestamps[keep],
        whole.users,
    )
    np.testing.assert_array_equal(model.score(whole), model.score(longer))
    # The first event read has a gap before it, or none: that is all a cut may change.
    assert np.corrcoef(model.score(whole)[0], model.score(recent)[0])[0, 1] > 0.95


def test_a_user_without_history_gets_the_popular_items(data, model):
    scores = model.score(Histories.empty(2))
    assert scores.shape == (2, ITEMS) and np.isfinite(scores).all()
    counts = np.bincount(data.train.items, minlength=ITEMS)
    assert np.corrcoef(scores[0, counts > 0], np.log(counts[counts > 0]))[0, 1] > 0.8


def test_recommend_excludes_sorts_and_fills_up(data, model):
    histories = data.histories()
    ranking = model.recommend(histories, ITEMS + 4, exclude=histories)
    assert (ranking.items[:, -4:] == -1).all() and np.isneginf(ranking.scores[:, -4:]).all()
    kept = np.where(np.isneginf(ranking.scores), 0, ranking.scores)
    assert (np.diff(ranking.scores[:, : ITEMS - LENGTH + 1], axis=1) <= 0).all()
    assert np.isfinite(kept).all()
    for user in range(USERS):
        taken = histories.items[histories.offsets[user] : histories.offsets[user + 1]]
        assert not set(taken) & set(ranking.items[user])


def test_a_dataset_without_tokens_or_without_events_can_be_fitted(data):
    assert np.isfinite(Transformer(SMALL).fit(data.with_tokens({})).score(data.histories())).all()
    nothing = data.train.take(np.zeros(0, dtype=np.int64))
    empty = Dataset(
        data.user_ids, data.item_ids, nothing, nothing, data.tokens, np.zeros((0, 0), "f4")
    )
    assert np.isfinite(Transformer(SMALL).fit(empty).score(Histories.empty(1))).all()


def test_sampled_items_are_enough_to_learn(data):
    model = Transformer(SMALL.model_copy(update={"sampled_items": 8})).fit(data)
    assert next_item_ndcg(model, data) > 0.7


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"operator": "sum"}, "self_attention"), ({"dim": 10, "heads": 4}, "does not divide")],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        TransformerConfig(**settings)


def network(layers: int = 2) -> TransformerNetwork:
    """A network whose every part has a say: nothing is zero."""
    torch.manual_seed(0)
    built = TransformerNetwork(2, ITEMS, SMALL.model_copy(update={"layers": layers}))
    for weight in built.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return built.eval()


def sequences(items: list[int]) -> Sequences:
    n = len(items)
    return Sequences(
        torch.tensor([[0, *items]]),
        torch.tensor([[0, *[k % 5 for k in range(n)]]]),
        torch.linspace(-1, 1, n + 1).unsqueeze(0),
        torch.tensor([[False] + [True] * n]),
    )


def test_a_later_event_changes_no_earlier_place():
    built = network()
    read = torch.randn(ITEMS, SMALL.dim + SMALL.components)
    positions = torch.arange(5).unsqueeze(0)

    def logits(items: list[int]) -> torch.Tensor:
        with torch.no_grad():
            return built.logits(read, sequences(items), positions, read, torch.zeros(ITEMS))

    first, second = logits([3, 8, 1, 9]), logits([3, 8, 30, 31])
    torch.testing.assert_close(first[:, :3], second[:, :3])
    assert not torch.allclose(first[:, 3], second[:, 3])


def test_cross_attention_is_a_softmax_over_the_past_for_each_candidate():
    cross = network().cross
    history, candidates = torch.randn(1, 6, 24), torch.randn(5, 24)
    present = torch.tensor([[False, True, True, True, True, True]])
    history = history * present.unsqueeze(-1)
    states, positions = torch.randn(1, 1, 16), torch.tensor([[4]])
    with torch.no_grad():
        found = cross(states, positions, history, present, candidates)[0, 0]
        cosines = torch.nn.functional.cosine_similarity(
            cross.query(candidates)[:, None], cross.key(history[0])[None], dim=-1
        )
        logits = cross.sharpness.clamp(0, 8) * cosines
        logits = logits + cross.answer(history[0]) @ cross.ask(states[0, 0]) * cross.scale
        logits = logits + cross.recency(positions, 6)[0, 0, 0]
        weights = torch.softmax(logits, dim=1)  # n l
        values = candidates @ cross.value(history[0]).T
    torch.testing.assert_close(found, (weights * values).sum(dim=1))


def test_hidden_tokens_change_no_code():
    torch.manual_seed(0)
    encoder = ItemEncoder(2, 3, SMALL).eval()
    torch.nn.init.normal_(encoder.code.weight)
    present = torch.tensor([[True, False], [False, False], [True, True]])
    features = torch.randn(2, 3, SMALL.components)
    spoilt = features.masked_fill(~present.T.unsqueeze(-1), 1e6)
    items = torch.arange(3)
    known = torch.tensor([False, False, True])

    def codes(x: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        found = encoder(Content(tuple(x), present), ids, known)
        return torch.cat([found.read, found.wanted], dim=1)

    spoilt_codes = codes(spoilt, items)
    torch.testing.assert_close(codes(features, items), spoilt_codes)
    torch.testing.assert_close(codes(features, torch.tensor([2, 0, 2])), spoilt_codes)
    assert torch.isfinite(spoilt_codes).all()


def test_reviews_are_hidden_with_the_id():
    settings = SMALL.model_copy(update={"id_dropout": 0.5, "modality_dropout": 0.0})
    encoder = ItemEncoder(2, 400, settings)
    whole = Content((torch.zeros(400, 8), torch.zeros(400, 8)), torch.ones(400, 2) > 0)
    known = torch.ones(400, dtype=torch.bool)
    shown, left = encoder.hide(whole, known, torch.tensor([False, True]))
    assert shown.present[:, 0].all()
    assert torch.equal(shown.present[:, 1], left) and 120 < int(left.sum()) < 280


def test_windows_foresee_every_event_once_and_read_only_the_same_user(data):
    windows = cut(data.train, 6, torch_generator(3))
    foreseen = np.concatenate(
        [np.arange(a, b) for a, b in zip(windows.firsts, windows.stops, strict=True)]
    )
    np.testing.assert_array_equal(foreseen, np.arange(len(data.train)))
    owners = data.train.users
    assert (owners[windows.reads] == owners[windows.stops - 1]).all()
    assert (windows.stops - 1 - windows.reads <= 6).all()
    assert (owners[windows.ends - 1] == owners[windows.firsts]).all()


def test_an_item_is_in_the_past_from_its_first_event_on():
    events = Interactions(
        np.array([0, 0, 0, 0, 1], dtype=np.int32),
        np.array([7, 2, 7, 4, 2], dtype=np.int32),
        np.ones(5, dtype=np.float32),
        np.arange(5, dtype=np.int64),
    )
    log = Log(events.items.astype(np.int64), np.zeros(5, np.int64), events.values)
    windows = cut(events, 100, torch_generator(0))
    windows = windows.take(np.arange(len(windows)))
    candidates = np.array([2, 4, 7], dtype=np.int64)
    since = had_from(windows, log, candidates)
    row = int(np.flatnonzero(windows.stops == 4)[0])
    read = int(windows.reads[row])
    assert since[row, 2] == 1 - read and since[row, 0] == 2 - read
    # The last event to foresee is wanted, never past.
    assert since[row, 1] == np.iinfo(np.int64).max
    assert (since[-1] == np.iinfo(np.int64).max).all()


def test_gaps_grow_by_powers_of_four():
    seconds = np.array([0, 0, 2, 17, 10_000_000, 0])
    times = np.cumsum(seconds) * SECOND
    buckets = gap_buckets(times, np.array([0, 5]), 12)
    np.testing.assert_array_equal(buckets, [11, 0, 1, 3, 11, 11])


def test_transition_factors_tell_the_successor_also_to_users_left_out(data):
    factors = TransitionFactors.fit(data.train, USERS, ITEMS, 48, 0)
    for vectors in (factors.whole, *factors.folds):
        read, wanted = np.split(vectors, 2, axis=1)
        ring = ITEMS - COLD
        following = (read @ wanted.T)[:ring, :ring].argmax(axis=1)
        assert (following == (np.arange(ring) + 1) % ring).mean() > 0.9


def test_what_only_one_user_did_is_not_in_the_factors_of_their_fold(data):
    own = data.train.take(data.train.users != 0)
    odd = Interactions(
        np.r_[np.zeros(2), own.users].astype(np.int32),
        np.r_[ITEMS - 1, ITEMS - 2, own.items].astype(np.int32),
        np.r_[1, 1, own.values].astype(np.float32),
        np.r_[0, SECOND, own.timestamps].astype(np.int64),
    )
    factors = TransitionFactors.fit(odd, USERS, ITEMS, ITEMS, 0)
    read, wanted = np.split(factors.whole, 2, axis=1)
    assert read[ITEMS - 1] @ wanted[ITEMS - 2] > 0.1
    read, wanted = np.split(factors.folds[factors.fold_of[0]], 2, axis=1)
    assert abs(read[ITEMS - 1] @ wanted[ITEMS - 2]) < 1e-3


def test_the_focused_loss_is_one_minus_a_power_of_the_chance():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 7)
    hits = torch.tensor([[[0], [1], [2]], [[3], [4], [5]]])
    ones = torch.ones(2, 3, 1)
    chances = torch.softmax(logits, dim=-1).gather(-1, hits).squeeze(-1)
    exact = torch.zeros(7)
    torch.testing.assert_close(
        focused_softmax_loss(logits, hits, ones, exact, 0.0), -torch.log(chances)
    )
    torch.testing.assert_close(
        focused_softmax_loss(logits, hits, ones, exact, 0.5), (1 - chances**0.5) / 0.5
    )


def test_an_item_the_user_had_is_not_wanted():
    logits = torch.tensor([[-torch.inf, 1.0, 2.0]], requires_grad=True)
    loss = focused_softmax_loss(
        logits, torch.tensor([[0, 1]]), torch.ones(1, 2), torch.zeros(3), 0.4
    )
    loss.sum().backward()
    assert torch.isfinite(loss).all() and torch.isfinite(logits.grad).all()


def test_a_sampled_normaliser_is_right_on_average():
    counts = np.arange(1, 201)
    logits = torch.linspace(-2, 2, 200)
    draw = CandidateDraw.of(counts, 40)
    rng = np.random.default_rng(0)
    generator = torch_generator(0)
    estimates = []
    for _ in range(400):
        wanted = torch.from_numpy(rng.choice(200, 10, p=counts / counts.sum()))
        drawn = draw(wanted, generator)
        estimates.append(torch.exp(logits[drawn.items] - drawn.log_inclusion).sum())
    exact = torch.exp(logits).sum()
    assert abs(float(torch.stack(estimates).mean() / exact) - 1) < 0.03
