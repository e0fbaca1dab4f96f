from pathlib import Path

import numpy as np
import pytest

from models.alignment import AlignmentHead, fit_alignment, unaligned_head
from models.alignment.retrieval import placements
from models.data import Floats
from models.persistence import ModelFormatError


def unit(rows: np.ndarray) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def planted(
    n: int = 400, d: int = 40, dim: int = 24, noise: float = 0.5
) -> tuple[Floats, Floats, Floats]:
    """Features, the unit anchors that a hidden linear map makes of them, and a blind control."""
    rng = np.random.default_rng(7)
    features = rng.standard_normal((n, d)) * rng.uniform(0.1, 10, d) + rng.uniform(-5, 5, d)
    hidden = rng.standard_normal((d, dim)) / rng.uniform(0.1, 10, d)[:, None]
    anchors = features @ hidden
    anchors = anchors / anchors.std() + noise * rng.standard_normal((n, dim)) + 2.0
    return features.astype("f4"), unit(anchors), rng.standard_normal((n, 3)).astype("f4")


def test_a_planted_map_is_found() -> None:
    features, anchors, control = planted()
    head, report = fit_alignment(features, anchors, control, method="ridge")
    assert report.aligned and report.chance and report.control and report.untuned
    assert report.n_fit + report.n_selection + report.n_heldout == report.n_pairs == 400
    assert report.chance.recall_at_10 == pytest.approx(10 / report.n_heldout)
    assert report.aligned.recall_at_1 > 0.5 and report.aligned.recall_at_10 > 0.9
    assert report.control.recall_at_10 < 0.4 and report.untuned.recall_at_10 < 0.4
    found = head.transform(features)
    assert found.dtype == np.float32 and found.shape == anchors.shape
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_unrelated_features_are_worth_chance() -> None:
    rng = np.random.default_rng(3)
    features = rng.standard_normal((400, 30)).astype("f4")
    anchors = unit(rng.standard_normal((400, 24)))
    _, report = fit_alignment(features, anchors, np.zeros((400, 0), "f4"), method="ridge")
    assert report.aligned and report.control and report.chance
    assert report.aligned.recall_at_10 < 3 * report.chance.recall_at_10
    assert report.control.recall_at_10 == pytest.approx(report.chance.recall_at_10)


def test_a_telling_control_is_seen() -> None:
    _, anchors, _ = planted()
    rng = np.random.default_rng(4)
    telling = (anchors @ rng.standard_normal((24, 12))).astype("f4")
    blind = rng.standard_normal((400, 5)).astype("f4")
    _, report = fit_alignment(blind, anchors, telling, method="ridge")
    assert report.aligned and report.control
    assert report.control.recall_at_10 > 2 * report.aligned.recall_at_10


@pytest.mark.parametrize("method", ["auto", "ridge", "contrastive"])
def test_one_seed_gives_the_same_bytes(method: str, tmp_path: Path) -> None:
    features, anchors, control = planted(n=200)
    content = []
    for turn in ("a", "b"):
        head, report = fit_alignment(features, anchors, control, method=method, seed=5)  # type: ignore[arg-type]
        (tmp_path / turn).mkdir()
        head.save(tmp_path / turn)
        files = sorted((tmp_path / turn).iterdir())
        content.append(([file.read_bytes() for file in files], report))
    assert content[0] == content[1]


def test_the_contrastive_head_learns_and_is_asked_for() -> None:
    features, anchors, control = planted()
    head, report = fit_alignment(features, anchors, control, method="contrastive")
    assert report.method == head.method == "contrastive"
    assert report.aligned and report.aligned.recall_at_10 > 0.9
    assert {name for name, *_ in report.candidates} == {"ridge", "contrastive"}


def test_a_head_survives_its_folder(tmp_path: Path) -> None:
    features, anchors, control = planted()
    head, _ = fit_alignment(features, anchors, control, method="ridge")
    head.save(tmp_path)
    loaded = AlignmentHead.load(tmp_path)
    assert (loaded.method, loaded.strength) == (head.method, head.strength)
    np.testing.assert_array_equal(loaded.transform(features), head.transform(features))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelFormatError):
        AlignmentHead.load(tmp_path)


@pytest.mark.parametrize("n", [0, 1, 49])
def test_too_few_pairs_fit_no_head(n: int) -> None:
    features, anchors, control = planted()
    head, report = fit_alignment(features[:n], anchors[:n], control[:n])
    assert report.method == head.method == "none" and report.aligned is None
    assert f"Only {n} items" in report.note
    assert head.transform(features).shape == (400, 24)


@pytest.mark.parametrize("d", [8, 60])
def test_without_texts_the_order_of_neighbours_is_kept(d: int) -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((100, d)).astype("f4")
    vectors = unaligned_head(features, dim=60).transform(features)
    standardised = unit((features - features.mean(0)) / features.std(0))
    np.testing.assert_allclose(vectors @ vectors.T, standardised @ standardised.T, atol=1e-4)


def test_a_constant_feature_is_harmless() -> None:
    features, anchors, control = planted()
    features[:, 3] = 9.0
    head, _ = fit_alignment(features, anchors, control, method="ridge")
    assert np.isfinite(head.transform(features)).all()


def test_ties_count_as_a_random_order() -> None:
    anchors = unit(np.random.default_rng(0).standard_normal((50, 8)))
    constant = placements(np.zeros_like(anchors), anchors)
    assert constant.recall_at(10) == pytest.approx(10 / 50)
    assert placements(anchors, anchors).recall_at(1) == 1.0


@pytest.mark.parametrize("n", [5, 2500])
def test_placements_agree_with_sorting(n: int) -> None:
    rng = np.random.default_rng(n)
    queries, anchors = (unit(rng.standard_normal((n, 6))) for _ in range(2))
    scores = queries @ anchors.T
    expected = (scores > np.diag(scores)[:, None]).sum(1)
    assert np.abs(placements(queries, anchors).above - expected).max() <= 1
