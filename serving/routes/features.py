"""Feast's features, as Feast answers them."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import Path

from feature_repo.store import NotAppliedError
from serving.feast_features import FeatureLookUpError
from serving.guarded import v1_router
from serving.problems import FieldError, Problem, unavailable
from serving.routes.asking import Asked
from serving.schemas import MOST_KEYS, FeatureAnswer, FeatureRequest
from serving.service import Service

router = v1_router("features", "read", 404, 422, 503)
ServiceName = Annotated[
    str,
    Path(max_length=128, description="A feature service of Feast.", examples=["recommendations"]),
]
_USER = "user_id"


@router.get("/features/{feature_service}/{key:path}")
def features_of_key(
    service: Asked,
    feature_service: ServiceName,
    key: Annotated[
        str, Path(min_length=1, max_length=256, description="A user or an item.", examples=["ada"])
    ],
) -> FeatureAnswer:
    """The newest features of one key, for a service with one kind of key."""
    names = _join_keys(service, feature_service)
    if len(names) != 1:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{feature_service} has the keys {', '.join(names)}: ask by POST, with all of them.",
            (FieldError(field="path.key", message="More than one key is needed."),),
        )
    return _answer(service, feature_service, {names[0]: [key]})


@router.post("/features/{feature_service}")
def features_of_keys(
    service: Asked, feature_service: ServiceName, request: FeatureRequest
) -> FeatureAnswer:
    """The newest features of many keys at once."""
    names = _join_keys(service, feature_service)
    lengths = {len(values) for values in request.keys.values()}
    if set(request.keys) != set(names) or len(lengths) != 1 or not 1 <= max(lengths) <= MOST_KEYS:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{feature_service} needs values of {', '.join(names)}, as many of each, "
            f"1 to {MOST_KEYS}.",
            (FieldError(field="body.keys", message="These are not the keys of the service."),),
        )
    return _answer(service, feature_service, request.keys)


def _join_keys(service: Service, feature_service: str) -> tuple[str, ...]:
    try:
        known = service.features.services()
    except NotAppliedError as error:
        raise _not_yet() from error
    if feature_service not in known:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"There is no feature service {feature_service!r}; there are "
            f"{', '.join(sorted(known))}.",
            (FieldError(field="path.feature_service", message="There is no such service."),),
        )
    return known[feature_service]


def _answer(
    service: Service, feature_service: str, keys: Mapping[str, Sequence[str]]
) -> FeatureAnswer:
    stored = {
        name: [service.pseudonym(value) for value in values] if name == _USER else list(values)
        for name, values in keys.items()
    }
    try:
        with service.metrics.stage("features"):
            columns = service.features.look_up(feature_service, stored)
    except NotAppliedError as error:
        raise _not_yet() from error
    except FeatureLookUpError as error:
        raise unavailable(f"Features of {feature_service} cannot be read now.", error) from error
    return FeatureAnswer(
        service=feature_service,
        columns={**columns, **{name: list(values) for name, values in keys.items()}},
    )


def _not_yet() -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "There is no online store yet: run `crossmodal run` first.",
        headers={"Retry-After": "5"},
    )
