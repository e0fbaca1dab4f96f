"""Which columns of its inputs a column comes from."""

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from crossmodal.modalities import LASTING, MODALITIES, TOWERS, modality_of
from models.catalogue import CATALOGUE

_REST = "*"
"""Stands for the columns of a table that are not named."""

_SAME = "{column}"
"""Stands for the name of the column itself."""

Sources = Mapping[str, tuple[str, ...]]
"""Columns, as `table.column`, by the name of the column that comes from them."""


def _each(columns: str, source: str) -> Sources:
    """Several columns that come from one."""
    return dict.fromkeys(columns.split(), (source,))


def _features(modality: str) -> Sources:
    if modality_of(modality).media:
        return _each("content_sha256 features", "media.sha256")
    read = {
        "text": ("items.title", "items.text"),
        "attributes": ("items.categories", "items.attributes"),
    }[modality]
    return {"content_sha256": read, "features": read}


def _alignment(tower: str) -> Sources:
    files = tuple(f"media.{name}" for name in ("bytes", "width", "height", "seconds", "mime"))
    compared = files if modality_of(tower).media else ()
    return {
        "judged": (),
        "head_sha256": (f"{tower}_features.features", "text_embeddings.embedding"),
        _REST: (f"{tower}_features.features", "text_embeddings.embedding", *compared),
    }


def _embeddings(modality: str) -> Sources:
    features = f"{modality}_features"
    aligned = (f"{modality}_alignment.head_sha256",) if modality in TOWERS else ()
    return {
        "item_id": ("items.item_id",),
        "event_timestamp": ("items.created_at",),
        "embedding": (f"{features}.features", *aligned),
        **_each("content_sha256 fingerprint features", f"{features}.{_SAME}"),
    }


_REVIEWS_EMBEDDINGS: Sources = {
    **_each("item_id event_timestamp", f"interactions.{_SAME}"),
    **_each("embedding features", "review_texts.features"),
    "fingerprint": ("review_texts.fingerprint",),
}


def _statistics(of: str) -> Sources:
    other = "user" if of == "item" else "item"
    return {
        f"{of}_id": (f"interactions.{of}_id",),
        f"{of}_n_{other}s": (f"interactions.{other}_id",),
        f"{of}_value_mean": ("interactions.value",),
        f"{of}_value_std": ("interactions.value",),
        _REST: ("interactions.event_timestamp",),
    }


_VERSIONS = tuple(f"model_{entry.name}.version" for entry in CATALOGUE)
_LEARNED_FROM = (
    "splits.user_id",
    "splits.item_id",
    "splits.value",
    "training_frame.event_timestamp",
    "item_tokens.item_id",
)
_NEW_EVENTS: Sources = {
    **_each("since until", "interactions.event_timestamp"),
    "events": ("interactions.item_id",),
    "users": ("interactions.user_id",),
    "answering_version": (),
    _REST: ("interactions.user_id", "interactions.item_id", "interactions.event_timestamp"),
}
_COMPARED_WINDOWS = (
    *(f"interactions.{name}" for name in ("user_id", "event_type", "value", "event_timestamp")),
    "items.categories",
    *(f"{name}_embeddings.embedding" for name in MODALITIES),
    *(
        f"{of}_statistics.{of}_value_{figure}"
        for of in ("item", "user")
        for figure in ("mean", "std")
    ),
    *(f"reported_events.{name}" for name in ("event_type", "request_id")),
)
_DRIFT: Sources = {
    **_each("since until", "interactions.event_timestamp"),
    **dict.fromkeys(("measure", "subject", "limit"), ()),
    _REST: _COMPARED_WINDOWS,
}
_CLICK_THROUGH: Sources = {
    "answered_by": ("reported_events.request_id",),
    "day": ("reported_events.event_timestamp",),
    "rank": ("reported_events.rank",),
    _REST: tuple(
        f"reported_events.{name}" for name in ("event_type", "request_id", "item_id", "value")
    ),
}
_FIGURE = ("metrics.value", "metrics.model", "metrics.split")
_HIDDEN: Sources = {
    **_each("model split", f"metrics.{_SAME}"),
    **dict.fromkeys(("modality", "modalities", "measure", "share"), ()),
    _REST: ("splits.user_id", "splits.item_id", "item_tokens.item_id", *_VERSIONS),
}
_OF_TABLES: Mapping[str, Sources] = {
    "staged_items": {_REST: ("raw_items.file",)},
    "staged_interactions": {_REST: ("raw_interactions.file", f"reported_events.{_SAME}")},
    "rejects": {_REST: ("raw_interactions.file", "raw_items.file")},
    "repairs": {_REST: ("raw_interactions.file", "raw_items.file")},
    "items": {
        "released_at": ("staged_items.released_at",),
        _REST: (f"staged_items.{_SAME}", f"reported_items.{_SAME}"),
    },
    "interactions": {_REST: (f"staged_interactions.{_SAME}",)},
    "media": {
        "item_id": ("items.item_id",),
        "modality": (),
        "uri": ("raw_media.uri", "reported_items.media"),
        _REST: ("raw_media.sha256", "reported_items.media"),
    },
    **{f"{name}_features": _features(name) for name in LASTING},
    "review_texts": _each("content_sha256 features text", "interactions.text"),
    **{f"{name}_alignment": _alignment(name) for name in TOWERS},
    **{f"{name}_embeddings": _embeddings(name) for name in LASTING},
    "reviews_embeddings": _REVIEWS_EMBEDDINGS,
    "item_statistics": _statistics("item"),
    "user_statistics": _statistics("user"),
    **{
        f"user_taste_{name}": {
            "user_id": ("interactions.user_id",),
            "event_timestamp": ("interactions.event_timestamp",),
            "embedding": (f"{name}_embeddings.embedding", "interactions.value"),
        }
        for name in MODALITIES
    },
    "online_features": {_REST: ("feature_registry.view",)},
    "online_recommendations": {_REST: ("user_recommendations.user_id",)},
    "splits": {
        **_each("user_id item_id value event_timestamp", f"interactions.{_SAME}"),
        "cold-item": ("interactions.item_id", "items.item_id"),
        _REST: ("interactions.user_id", "interactions.event_timestamp"),
    },
    "training_frame": _each("user_id item_id value event_timestamp", f"splits.{_SAME}"),
    "item_tokens": {
        "item_id": ("items.item_id",),
        "event_timestamp": ("interactions.event_timestamp", "items.created_at"),
        **{name: (f"{name}_embeddings.features",) for name in MODALITIES},
    },
    "model": {_REST: _LEARNED_FROM},
    "hyperparameter_trials": {_REST: _LEARNED_FROM},
    "tie_sensitivity": {_REST: ("splits.user_id", "splits.item_id", "items.item_id")},
    "metrics": {
        "run_id": _VERSIONS,
        _REST: ("splits.user_id", "splits.item_id", "item_tokens.item_id", *_VERSIONS),
    },
    "prequential_evaluation": _NEW_EVENTS,
    "drift": _DRIFT,
    "click_through": _CLICK_THROUGH,
    "impressions": {
        "acted_at": ("interactions.event_timestamp",),
        _REST: (f"reported_events.{_SAME}",),
    },
    "comparisons": {_REST: _FIGURE},
    "leaderboard": {
        "best_baseline": ("metrics.model", "metrics.value"),
        **_each("difference p_holm", f"comparisons.{_SAME}"),
        "difference_low": ("comparisons.ci_low",),
        "difference_high": ("comparisons.ci_high",),
        **_each("split model n_users", f"metrics.{_SAME}"),
        **_each("ndcg_10_low recall_10_low", "metrics.ci_low"),
        **_each("ndcg_10_high recall_10_high", "metrics.ci_high"),
        # The versions of the models' tables say how long their fits took, and no column.
        "fit_s": (),
        _REST: ("metrics.value",),
    },
    "champion": {"version": ("metrics.run_id", *_FIGURE), _REST: _FIGURE},
    **dict.fromkeys(("modality_worth", "modality_robustness"), _HIDDEN),
    "serving_model": {_REST: _LEARNED_FROM},
    "kept_versions": {_REST: ("champion.version", "serving_model.version", *_VERSIONS)},
    "recommendations": {
        "user_id": ("interactions.user_id",),
        "item_id": ("items.item_id", "interactions.item_id"),
        "model_version": ("serving_model.version",),
        "generated_at": ("interactions.event_timestamp",),
        "reasons": ("serving_model.version", "items.title"),
        _REST: ("serving_model.version", "interactions.item_id"),
    },
    "user_recommendations": {
        "event_timestamp": ("recommendations.generated_at",),
        "item_ids": ("recommendations.item_id", "recommendations.rank"),
        "scores": ("recommendations.score",),
        _REST: (f"recommendations.{_SAME}",),
    },
}


def lineage_of(
    table: str, columns: Iterable[str], inputs: Iterable[str]
) -> dg.TableColumnLineage | None:
    """Where the columns of a table come from; None if none comes from a column of an input.

    Args:
        table: of the lake.
        columns: its columns.
        inputs: tables that this version was made from; no other one is named.
    """
    read = frozenset(inputs)
    deps = {column: list(_deps(table, column, read)) for column in columns}
    known = {column: found for column, found in deps.items() if found}
    return dg.TableColumnLineage(known) if known else None


def _deps(table: str, column: str, read: frozenset[str]) -> Iterator[dg.TableColumnDep]:
    view, of_view, feature = column.rpartition("__")
    of_table = _OF_TABLES.get("model" if table.startswith("model_") else table, {})
    named = (f"{view}.{feature}",) if of_view else of_table.get(column, of_table.get(_REST, ()))
    for source in named:
        origin, _, name = source.replace(_SAME, column).partition(".")
        if origin in read:
            yield dg.TableColumnDep(origin, name)
