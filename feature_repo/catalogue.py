"""The definitions as values: all of them, at the lake of any home."""

from pathlib import Path
from typing import Any

from feast import FeatureService, FeatureView, FileSource, PushSource
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY
from feast.repo_contents import RepoContents

from feature_repo import definitions
from feature_repo.entities import event, item, project, user

VIEWS: tuple[FeatureView, ...] = tuple(
    sorted(
        (value for value in vars(definitions).values() if isinstance(value, FeatureView)),
        key=lambda view: str(view.name),
    )
)
SERVICES: tuple[FeatureService, ...] = tuple(
    value for value in vars(definitions).values() if isinstance(value, FeatureService)
)
ONLINE_VIEWS: tuple[str, ...] = tuple(view.name for view in VIEWS if view.online)


def table_path(view: FeatureView) -> Path:
    """The Parquet file that a view reads."""
    return Path(_file_source(view).path)


def contents_at(lake: Path) -> RepoContents:
    """All definitions, with their sources in the lake at `lake` instead of the default home's."""
    sources: dict[str, DataSource] = {}
    views = [_view_at(view, lake, sources) for view in VIEWS]
    return RepoContents(
        projects=[project],
        data_sources=list(sources.values()),
        feature_views=views,
        on_demand_feature_views=[],
        stream_feature_views=[],
        label_views=[],
        entities=[user, item, event, DUMMY_ENTITY],
        feature_services=[_service_at(service, lake) for service in SERVICES],
        permissions=[],
    )


def definitions_at(lake: Path) -> dict[str, Any]:
    """All definitions at the lake at `lake`, each under a name of its own.

    It is what the module that Feast reads in a home's own repo consists of.
    """
    contents = contents_at(lake)
    defined: list[Any] = [*contents.projects, *contents.data_sources, user, item, event]
    defined += [*contents.feature_views, *contents.feature_services]
    return {f"{type(each).__name__}_{each.name}": each for each in defined}


def _file_source(view: FeatureView) -> FileSource:
    source = view.batch_source
    if not isinstance(source, FileSource):
        raise TypeError(f"Feature view {view.name!r} does not read a table of the lake.")
    return source


def _view_at(view: FeatureView, lake: Path, sources: dict[str, DataSource]) -> FeatureView:
    """The view at another lake. Feast refuses two sources of one name, so that views share them."""
    proto = view.to_proto()
    _move(proto.spec.batch_source.file_options, lake)
    moved: FeatureView = FeatureView.from_proto(proto)
    source = _file_source(moved)
    moved.batch_source = sources.setdefault(source.name, source)
    if isinstance(moved.stream_source, PushSource):
        moved.stream_source.batch_source = moved.batch_source
        sources[moved.stream_source.name] = moved.stream_source
    return moved


def _service_at(service: FeatureService, lake: Path) -> FeatureService:
    proto = service.to_proto()
    for projection in proto.spec.features:
        _move(projection.batch_source.file_options, lake)
    moved: FeatureService = FeatureService.from_proto(proto)
    return moved


def _move(file_options: Any, lake: Path) -> None:
    file_options.uri = str(lake / Path(file_options.uri).name)
