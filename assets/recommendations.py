"""From the model that answers to lists that an app can look up."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.automation import after_change_of
from assets.features import (
    ONLINE_MARKS,
    RECOMMENDATIONS_VIEW,
    in_online_store,
    newest_event,
    write_online,
)
from assets.registry import open_registry
from assets.table_asset import Making, table_asset
from crossmodal.lake import Lake
from crossmodal.modalities import MODALITIES
from crossmodal.pseudonyms import NEW_USER
from crossmodal.workspace import Workspace
from feature_repo.events import positive_events
from models.assembly import IndexedEvents, indexed_events, token_tables
from models.data import Histories, TokenTable, Vocabulary

if TYPE_CHECKING:
    from models.explaining import Masks
    from models.protocol import Recommender

_USERS_AT_ONCE = 1024
_LISTS = pl.Schema(
    {
        "user_id": pl.String(),
        "rank": pl.Int32(),
        "item_id": pl.String(),
        "score": pl.Float32(),
        "reasons": pl.List(pl.String),
    }
)


@table_asset(
    inputs=["serving_model", "interactions", "items"],
    # An hour's events change the lists when they have reached the features.
    after=["online_features"],
    # A reason names a modality by these, which a model has learned from.
    also_reads=[f"{modality}_embeddings" for modality in MODALITIES],
    choices=lambda workspace: {"k": workspace.settings.recommendations_k},
    automation=after_change_of("serving_model", "online_features"),
    group="recommendations",
    kinds={"torch", "parquet"},
    code_version="5",
)
def recommendations(making: Making) -> None:
    """The best items of every user, and of a newcomer, with the reason of each."""
    workspace, lake = making.workspace, making.lake
    registry = open_registry(workspace)
    version = lake.read("serving_model")["version"].item()
    model = registry.load(version)
    log = _known_events(lake, registry.item_ids(version), making.settings.seed)
    lists = pl.concat(_lists(workspace, model, log))
    whole = lists.with_columns(
        model_version=pl.lit(version),
        generated_at=pl.lit(generated_at(lake)).cast(pl.Datetime("us", "UTC")),
    ).select("user_id", "rank", "item_id", "score", "model_version", "generated_at", "reasons")
    users = whole["user_id"].n_unique()
    shown = whole["item_id"].n_unique() / len(log.item_ids)
    lake.write("recommendations", whole, making.stamp, users=users, share_of_items_shown=shown)


@table_asset(
    name=RECOMMENDATIONS_VIEW,
    inputs=["recommendations"],
    automation=after_change_of(),
    group="recommendations",
    kinds={"parquet"},
    code_version="1",
)
def user_recommendations(making: Making) -> None:
    """The same lists, one row a user: what Feast serves."""
    rows = making.lake.scan("recommendations").sort("user_id", "rank")
    lists = rows.group_by("user_id", maintain_order=True).agg(
        pl.col("generated_at").first().alias("event_timestamp"),
        pl.col("item_id").alias("item_ids"),
        pl.col("score").alias("scores"),
        pl.col("reasons").list.first().alias("reasons"),
        pl.col("model_version").first(),
        pl.col("generated_at").first(),
    )
    making.lake.write(RECOMMENDATIONS_VIEW, lists.collect(), making.stamp)


@table_asset(
    inputs=[RECOMMENDATIONS_VIEW, "feature_registry", "online_features"],
    also_reads=ONLINE_MARKS,
    intact=lambda workspace: in_online_store(workspace, "online_recommendations"),
    automation=after_change_of(),
    group="recommendations",
    kinds={"feast", "sqlite"},
    code_version="1",
)
def online_recommendations(making: Making) -> None:
    """The lists in Feast's online store, where an app looks them up by user."""
    views = [RECOMMENDATIONS_VIEW]
    write_online(making.workspace, "online_recommendations", views, making.stamp)


def generated_at(lake: Lake) -> datetime:
    """The instant the lists speak for: the whole second after the newest event."""
    return newest_event(lake).replace(microsecond=0) + timedelta(seconds=1)


def _known_events(lake: Lake, item_ids: tuple[str, ...], seed: int) -> IndexedEvents:
    """All positive events on items the model knows, in its indexes."""
    frame = positive_events(lake).filter(pl.col("item_id").is_in(item_ids))
    columns = ["user_id", "item_id", "value", "event_timestamp"]
    return indexed_events(frame.select(columns).collect(), item_ids, seed)


@dataclass(frozen=True)
class _Writer:
    """Makes lists of one model: what is the same for all of them.

    Attributes:
        model: ranks.
        masks: what its reasons need in addition.
        item_ids: of its indexes.
        titles: (n_items,) names for people.
        gone: dense indexes of what the catalogue no longer has.
        ties: (n_items,) the order of equal scores, the most chosen first.
        unchosen: (n_items,) which items have no event.
        k: length of a list.
    """

    model: "Recommender"
    masks: "Masks | None"
    item_ids: Vocabulary
    titles: np.ndarray
    gone: np.ndarray
    ties: np.ndarray
    unchosen: np.ndarray
    k: int

    def block(self, users: Histories, names: list[str]) -> pl.DataFrame:
        """The lists of some users, who are named."""
        from models.ranking import rank

        hidden = users.preceded_by(self.gone)
        ranking = rank(self.model.score, users, self.k, self.ties, exclude=hidden)
        ids = np.array(self.item_ids.ids, dtype=object)
        rows = pl.DataFrame(
            {
                "user_id": np.repeat(np.array(names, dtype=object), self.k).tolist(),
                "rank": np.tile(np.arange(1, self.k + 1), len(names)),
                "item_id": ids[ranking.items.ravel()].tolist(),
                "score": ranking.scores.ravel(),
                "reasons": self._reasons(users, ranking.items),
            },
            schema=_LISTS,
        )
        return rows.filter(pl.Series(ranking.items.ravel() >= 0))

    def _reasons(self, users: Histories, items: np.ndarray) -> list[list[str]]:
        """One sentence per item: the part and the past items that moved its score most."""
        from models.explaining import explain
        from models.reasons import reasons

        explanation = explain(self.model, users, items, self.masks)
        return [[sentence] for sentence in reasons(explanation, self.titles, self.unchosen[items])]


def _lists(
    workspace: Workspace, model: "Recommender", log: IndexedEvents
) -> Iterator[pl.DataFrame]:
    """Lists with reasons: the newcomer's first, then everyone's, block by block."""
    writer = _writer(workspace, model, log)
    yield writer.block(Histories.empty(), [NEW_USER])
    users = np.arange(len(log.user_ids), dtype=np.int32)
    for start in range(0, len(users), _USERS_AT_ONCE):
        part = users[start : start + _USERS_AT_ONCE]
        names = list(log.user_ids.ids[start : start + _USERS_AT_ONCE])
        yield writer.block(Histories.of(log.events, part), names)
        workspace.progress("Recommending", start + len(part), len(users))


def _writer(workspace: Workspace, model: "Recommender", log: IndexedEvents) -> _Writer:
    from models.explaining import masks_of
    from models.ranking import popular_first, tie_breaks

    settings, lake, items = workspace.settings, workspace.lake, log.item_ids
    counts = np.bincount(log.events.items, minlength=len(items))
    return _Writer(
        model,
        masks_of(model, partial(_tokens, lake, items)),
        items,
        _titles(lake, items),
        _gone(lake, items),
        popular_first(counts, tie_breaks(items.ids, settings.seed)),
        counts == 0,
        settings.recommendations_k,
    )


def _tokens(lake: Lake, item_ids: Vocabulary) -> dict[str, TokenTable]:
    """What the lake holds of the items, as tokens of their encoders."""
    tables = {name: f"{name}_embeddings" for name in MODALITIES}
    frames = {name: lake.scan(table) for name, table in tables.items() if lake.exists(table)}
    return token_tables(frames, item_ids)


def _gone(lake: Lake, item_ids: Vocabulary) -> np.ndarray:
    """Dense indexes of the items that the model knows and the catalogue no longer has."""
    listed = lake.scan("items").select("item_id").collect()["item_id"]
    known = pl.Series(item_ids.ids, dtype=pl.String)
    return np.flatnonzero(~known.is_in(listed.implode()).to_numpy()).astype(np.int32)


def _titles(lake: Lake, item_ids: Vocabulary) -> np.ndarray:
    """A name (n_items,) for each item: its title, or its id where it has none."""
    known = lake.scan("items").select("item_id", "title").collect()
    frame = pl.DataFrame({"item_id": item_ids.ids}).join(
        known, on="item_id", how="left", maintain_order="left"
    )
    named = pl.when(pl.col("title").fill_null("") == "").then("item_id").otherwise("title")
    return frame.select(named).to_series().to_numpy()
