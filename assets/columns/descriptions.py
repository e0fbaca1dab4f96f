"""One sentence per column. A name means the same in every table, unless a table says otherwise."""

from collections.abc import Mapping

_OF_PERIODS = {
    f"{of}_n_events_{days}d": f"Events of the {of} in the {days} days before."
    for of in ("item", "user")
    for days in (7, 30)
}
_STATISTICS = {
    "item_n_events": "Events of the item before this instant.",
    "item_n_users": "Users who had acted on the item before this instant.",
    "item_value_mean": "Mean value of the item's events before this instant.",
    "item_value_std": "Standard deviation of these values.",
    "item_first_event_at": "Time of the item's first event.",
    "item_last_event_at": "Time of the item's last event before this instant.",
    "user_n_events": "Events of the user before this instant.",
    "user_n_items": "Items on which the user had acted before this instant.",
    "user_value_mean": "Mean value of the user's events before this instant.",
    "user_value_std": "Standard deviation of these values.",
    "user_first_event_at": "Time of the user's first event.",
    "user_last_event_at": "Time of the user's last event before this instant.",
    **_OF_PERIODS,
}
_EVENTS_AND_ITEMS = {
    "user_id": "Pseudonym of the user, by the key of the home.",
    "item_id": "Id of the item, as the source or an app writes it.",
    "value": "How much the user wanted the item, on the scale of the source.",
    "event_type": "What the user did, such as a rating, a click or a review.",
    "text": "Text of the item or of the review; null if there is none.",
    "event_timestamp": "From when on the row may be used: the time of an event, in UTC.",
    "title": "Name of the item for people.",
    "categories": "Categories of the item.",
    "attributes": "Named numbers of the item.",
    "released_at": "When the item came out; null if that is not known.",
    "created_at": "From when on the catalogue has the item.",
    "position": "Position in the log that apps write.",
    "position_event": "Id of the event at that position.",
    "event_id": "Id that makes an event count once.",
    "request_id": "Answer of the service to which the event belongs; null if there is none.",
    "deleted": "Whether an app deleted the item.",
    "media": "Media files of the item, as an app put them.",
    "value_middle": "Value of an event of medium interest that has no value of its own.",
    "value_strong": "Value of an event of strong interest that has no value of its own.",
}
_FILES = {
    "file": "Path of the file, relative to the source.",
    "root": "Folder of the source.",
    "uri": "Path or address of the file.",
    "bytes": "Size of the file, in bytes.",
    "mtime_ns": "When the file was written, in nanoseconds since 1970.",
    "sha256": "Checksum of the file's content.",
    "mime": "Type of the file, from its content.",
    "width": "Width of the picture, in pixels.",
    "height": "Height of the picture, in pixels.",
    "seconds": "Duration, in seconds.",
    "status": "ok, missing or broken.",
    "error": "Why the file is broken.",
    "note": "What is remarkable about a file that can be used.",
    "source_file": "File of the source.",
    "row": "Number of the row in that file.",
    "reason": "Why, in words.",
    "detail": "The value that is at fault, and what is wrong with it.",
    "column": "Column of the source's file.",
    "what": "What was wrong with the field, which counts as absent.",
    "rows": "In how many rows.",
}
_VECTORS = {
    "content_sha256": "Checksum of the content that was encoded.",
    "fingerprint": "Identifies the encoder, its weights and its limits.",
    "features": "What the encoder returns, before alignment.",
    "embedding": "Unit vector in the space that all modalities share.",
    "encoder": "Name of the encoder.",
    "judged": "What finds held-out items' texts: the alignment, or what it must beat.",
    "recall_at_1": "Share of held-out items whose own text is the nearest.",
    "recall_at_10": "Share of held-out items whose own text is among the ten nearest.",
    "head_sha256": "Checksum of the alignment's weights.",
    "image": "Features of the item's picture; null if it has none.",
    "audio": "Features of the item's sound; null if it has none.",
}
_STORES = {
    "view": "Feature view in Feast.",
    "entity": "What a row of the view is about.",
    "fields": "Features of the view.",
    "online": "Whether the view is in the online store.",
    "description": "What the view holds.",
    "keys": "Entities that have a row in the online store.",
    "made_from": "Identifies the content that was written.",
}
_MODELS = {
    "model": "Name of the model.",
    "split": "How the events were divided into train, validation and test.",
    "part": "train, validation or test.",
    "version": "Version of a model in the registry.",
    "best_epoch": "Epoch whose weights were kept; null if the model is not trained by epochs.",
    "train_losses": "Training loss per epoch.",
    "validation_losses": "Validation loss per epoch.",
    "trial": "Number of the trial in the study.",
    "state": "How the trial ended.",
    "settings": "Settings that were tried, as JSON.",
    "user-temporal": "Part of the event in the split by each user's last events.",
    "user-random": "Part of the event in the split by random events of each user.",
    "global-temporal": "Part of the event in the split by one instant for all users.",
    "cold-item": "Part of the event in the split by items.",
    "random": "Part of the event in the random split.",
    "why": "Why the version is kept.",
}
_JUDGEMENTS = {
    "run_id": "Version that was judged.",
    "segment": "Group of users; `all` for everybody.",
    "metric": "Name of the metric.",
    "k": "Length of the list that is judged.",
    "ci_low": "Lower end of the 95 % confidence interval.",
    "ci_high": "Upper end of the 95 % confidence interval.",
    "n_users": "Users who judged.",
    "users": "Users who judged.",
    "ndcg_10": "NDCG@10.",
    "recall_10": "Recall@10.",
    "coverage_10": "Share of the items that lists of ten show.",
    "novelty_10": "Mean surprise of the items in lists of ten, in bits.",
    "diversity_10": "Mean distance between the items of a list of ten.",
    **{
        f"{name}_{end}": f"{side} end of the interval of {name}."
        for name in ("ndcg_10", "recall_10", "difference", "ratio", "over_popularity")
        for end, side in (("low", "Lower"), ("high", "Upper"))
    },
    "rank": "Place, from 1.",
    "baseline": "Model that it is compared with.",
    "best_baseline": "Best model that trains no weights.",
    "difference": "Difference of the means over users.",
    "p": "p-value of the paired test.",
    "p_holm": "p-value after Holm's correction for several comparisons.",
    "ratio": "Ratio of the means.",
    "fit_s": "Seconds that the fit took.",
    "modality": "Kind of content: text, image, audio, reviews or attributes.",
    "modalities": "Modalities that the model was given.",
    "share": "Share of the items from which the modality was hidden.",
    "measure": "What was measured.",
    "mean": "Mean over the seeds.",
    "spread": "Largest value minus the smallest.",
    "seeds": "Seeds by which equal scores were ordered.",
    "values": "Value per seed.",
}
_DECISIONS = {
    "candidate": "What might become champion: its version or its figure.",
    "incumbent": "Figure of the champion before.",
    "before": "Champion before; empty if there was none.",
    "promoted": "Whether the candidate became champion.",
    "over_popularity": "NDCG@10 minus that of the most popular items.",
    "champion": "Version that was chosen.",
    "against": "Model that the candidate is compared with.",
    "low": "Lower end of the interval of the difference.",
    "high": "Upper end of the interval of the difference.",
    "decides": "Whether the gate goes by this row.",
    "passed": "Whether the candidate passes.",
    "judged_by": "Version whose figures speak for the one that answers.",
    "refit": "Version that was fitted to all events; empty if there is none.",
    "fault": "Why that version does not answer; empty if it does.",
    "overlap": "Share of the judged version's recommended items that the refitted one shows too.",
    "warm_started_from": "Version whose weights the refit began with; empty if from scratch.",
    "warm_starts": "Warm starts since a fit from scratch.",
}
_OF_NEW_EVENTS = {
    "answering_version": "Version that answered while the events came in.",
    "since": "The events after this instant are the newer ones.",
    "until": "Instant of the newest event.",
    "events": "Events that judged.",
    "popularity_ndcg_10": "NDCG@10 of the items that were most popular when the events began.",
    "hit_rate_10": "Share of the events whose item is in the list of ten.",
    "popularity_hit_rate_10": "The same share, of the items that were most popular.",
    "subject": "What the distance is of, such as a feature, a modality or a field of the events.",
    "reference": "Effective number of users of the older events.",
    "current": "Effective number of users of the newer events.",
    "noise": "Distance that chance alone can explain.",
    "limit": "Distance from which it counts as drift; null if the subject is not judged.",
    "drifted": "Whether the distance is above the limit and above what chance explains.",
    "answered_by": "Version that answered; `unnamed` if the answer's id does not say.",
    "day": "Day of the impressions, in UTC; null in the rows per rank.",
    "impressions": "Items that were shown.",
    "chosen": "How many of them their user then chose.",
    "rate": "Click-through: items chosen per item shown.",
    "rate_low": "Lower end of the 95 % confidence interval of the rate.",
    "rate_high": "Upper end of the 95 % confidence interval of the rate.",
}
_LISTS = {
    "score": "Score of the model; comparable only within a list.",
    "model_version": "Version that made the list.",
    "generated_at": "Instant for which the list is made.",
    "reasons": "Why the item is in the list, in words.",
    "item_ids": "Items of the list, the best first.",
    "scores": "Their scores.",
}
_COLUMNS: Mapping[str, str] = {
    **_STATISTICS,
    **_MODELS,
    **_EVENTS_AND_ITEMS,
    **_FILES,
    **_VECTORS,
    **_STORES,
    **_JUDGEMENTS,
    **_DECISIONS,
    **_OF_NEW_EVENTS,
    **_LISTS,
}
_OF_ONE_TABLE: Mapping[str, Mapping[str, str]] = {
    "click_through": {"rank": "Place in the list, from 1; null in the rows per day."},
    "drift": {
        "measure": "Measure of the distance, such as psi.",
        "value": "Distance between the newer and the older rows.",
    },
    "impressions": {
        "event_timestamp": "When the item was first shown by this answer, in UTC.",
        "acted_at": "When the user first acted on the item, before or after; null if never.",
    },
    "items": {"text": "Description of the item; null if it has none."},
    "staged_items": {"text": "Description of the item; null if it has none."},
    "item_tokens": {
        "text": "Features of the item's text; null if it has none.",
        "attributes": "Features of the item's named numbers; null if it has none.",
    },
    "kept_versions": {"bytes": "Size of the version's folder, in bytes."},
    "hyperparameter_trials": {
        "value": "Validation metric of the trial.",
        "seconds": "How long the trial took, in seconds.",
    },
    "media": {"modality": "image or audio."},
    "prequential_evaluation": {
        "difference": "NDCG@10 of the version minus that of the most popular items.",
    },
    "raw_media": {"modality": "image, audio or video."},
    **{
        table: {"value": "Value of the metric."}
        for table in ("metrics", "modality_robustness", "modality_subsets", "modality_worth")
    },
}


def described(table: str, column: str) -> str | None:
    """What a column means; None if nothing is known of it.

    Args:
        table: of the lake.
        column: its name; `view__feature` is what Feast calls a feature of a view.
    """
    plain = column.rpartition("__")[2]
    return _OF_ONE_TABLE.get(table, {}).get(plain, _COLUMNS.get(plain))
