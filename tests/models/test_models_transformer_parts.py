"""What the transformer is made of: its layers, windows, first factors, and loss."""

import numpy as np
import pytest
import torch

from models.content import Content
from models.data import Interactions
from models.modality_dropout import ModalityDropout
from models.retrieval_loss import CandidateDraw, focused_softmax_loss
from models.training import torch_generator
from models.transformer import TransformerConfig
from models.transformer.network import ItemEncoder, TransformerNetwork
from models.transformer.transitions import TransitionFactors
from models.transformer.windows import Log, Sequences, cut, gap_buckets, had_from

USERS, ITEMS, RING, LENGTH = 80, 48, 42, 13
SECOND = 1_000_000
SMALL = TransformerConfig(dim=16, heads=2, components=8)


@pytest.fixture(scope="module")
def walks() -> Interactions:
    """Users who walk round a ring of items, mostly from its first ones on."""
    starts = (RING * np.random.default_rng(0).random(USERS) ** 3).astype(int)
    items = (starts[:, None] + np.arange(LENGTH)) % RING
    return Interactions(
        np.repeat(np.arange(USERS), LENGTH).astype(np.int32),
        items.ravel().astype(np.int32),
        np.ones(USERS * LENGTH, dtype=np.float32),
        np.tile(np.arange(LENGTH, dtype=np.int64), USERS) * 60 * SECOND,
    )


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
    hide = ModalityDropout(0.0, 0.5, behavioural=torch.tensor([False, True]))
    whole = Content((torch.zeros(400, 8), torch.zeros(400, 8)), torch.ones(400, 2) > 0)
    known = torch.ones(400, dtype=torch.bool)
    shown, left = hide(whole, known)
    assert shown.present[:, 0].all()
    assert torch.equal(shown.present[:, 1], left) and 120 < int(left.sum()) < 280


def test_windows_foresee_every_event_once_and_read_only_the_same_user(walks):
    windows = cut(walks, 6, torch_generator(3))
    foreseen = np.concatenate(
        [np.arange(a, b) for a, b in zip(windows.firsts, windows.stops, strict=True)]
    )
    np.testing.assert_array_equal(foreseen, np.arange(len(walks)))
    owners = walks.users
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


def test_transition_factors_tell_the_successor_also_to_users_left_out(walks):
    factors = TransitionFactors.fit(walks, USERS, ITEMS, 48, 0)
    for vectors in (factors.whole, *factors.folds):
        read, wanted = np.split(vectors, 2, axis=1)
        following = (read @ wanted.T)[:RING, :RING].argmax(axis=1)
        assert (following == (np.arange(RING) + 1) % RING).mean() > 0.9


def test_what_only_one_user_did_is_not_in_the_factors_of_their_fold(walks):
    own = walks.take(walks.users != 0)
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
