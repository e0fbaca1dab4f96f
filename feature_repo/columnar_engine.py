"""Feast's local compute engine, which fills a SQLite online store column by column.

Feast's own makes a message of each value of each row. Reading, choosing the newest row of a key and
transforming are Feast's; so are the bytes in the store.

    batch_engine: feature_repo.columnar_engine.ColumnarComputeEngine
"""

from typing import Any

import pyarrow as pa
from feast import FeatureView
from feast.infra.common.materialization_job import (
    MaterializationJobStatus,
    MaterializationTask,
)
from feast.infra.compute_engines.backends.base import DataFrameBackend
from feast.infra.compute_engines.dag.context import ExecutionContext
from feast.infra.compute_engines.dag.node import DAGNode
from feast.infra.compute_engines.local.arrow_table_value import ArrowTableValue
from feast.infra.compute_engines.local.compute import (
    LocalComputeEngine,
    LocalComputeEngineConfig,
)
from feast.infra.compute_engines.local.feature_builder import LocalFeatureBuilder
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.compute_engines.local.nodes import LocalOutputNode
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.sqlite import SqliteOnlineStore
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig
from feast.utils import _validate_vector_field_lengths

from feature_repo.online_rows import encode_rows, upsert_statement


class ColumnarComputeEngineConfig(LocalComputeEngineConfig):
    """Settings of the engine, in feature_store.yaml under `batch_engine`: Feast's local ones."""

    type: str = "feature_repo.columnar_engine.ColumnarComputeEngine"  # type: ignore[assignment]


class ColumnarComputeEngine(LocalComputeEngine):
    """Feast's local engine but for how rows get into the online store."""

    def _materialize_one(
        self, registry: BaseRegistry, task: MaterializationTask, **kwargs: Any
    ) -> LocalMaterializationJob:
        job_id = f"{task.feature_view.name}-{task.start_time}-{task.end_time}"
        context = self.get_execution_context(registry, task)
        try:
            newest = self.repo_config.materialization_config.pull_latest_features
            builder = _Builder(registry, task, self._get_backend(context), reads_newest=newest)
            builder.build().execute(context)
        except Exception as error:  # noqa: BLE001  Feast's provider raises what the job holds.
            return LocalMaterializationJob(job_id, MaterializationJobStatus.ERROR, error)
        return LocalMaterializationJob(job_id, MaterializationJobStatus.SUCCEEDED)


class _Builder(LocalFeatureBuilder):
    """Feast's plan without the steps that would only copy the table into pandas and back."""

    def __init__(
        self,
        registry: BaseRegistry,
        task: MaterializationTask,
        backend: DataFrameBackend,
        *,
        reads_newest: bool,
    ) -> None:
        super().__init__(registry, task, backend)
        self._reads_newest = reads_newest

    def build_filter_node(self, view: Any, input_node: DAGNode) -> DAGNode:
        # Entity rows and their TTL are a historical join's; a materialization has none.
        if getattr(view, "filter", None):
            node: DAGNode = super().build_filter_node(view, input_node)  # type: ignore[no-untyped-call]
            return node
        return input_node

    def _should_dedupe(self, view: Any) -> bool:
        # The offline store has found the newest row of each key, unless rows are made of its rows.
        transforms = self._should_transform(view)  # type: ignore[no-untyped-call]
        if self._reads_newest and view.data_source and not transforms:
            return False
        return bool(super()._should_dedupe(view))  # type: ignore[no-untyped-call]

    def build_output_nodes(self, view: Any, input_node: DAGNode) -> DAGNode:
        node = _ColumnarOutputNode("output", view, inputs=[input_node])
        self.nodes.append(node)
        return node


class _ColumnarOutputNode(LocalOutputNode):
    def execute(self, context: ExecutionContext) -> ArrowTableValue:
        view, store = self.feature_view, context.online_store
        plain = view.online and not view.offline and _plain(context.repo_config)
        if not plain or not isinstance(store, SqliteOnlineStore):
            return super().execute(context)
        table = self.get_single_table(context).data
        output = ArrowTableValue(data=table)
        context.node_outputs[self.name] = output
        if table.num_rows:
            write_rows(context.repo_config, store, view, table)
        return output


def _plain(config: RepoConfig) -> bool:
    """Whether a SQLite store's tables have the columns that `encode_rows` fills, and no others."""
    settings = config.online_store
    return not settings.vector_enabled and not settings.enable_openai_compatible_store


def write_rows(
    config: RepoConfig, store: SqliteOnlineStore, view: FeatureView, table: pa.Table
) -> None:
    """Writes a table's rows where Feast's store keeps them; one commit per batch, as Feast's.

    Args:
        config: of the repo.
        store: whose file is written.
        view: that the rows are of; its table is in the store.
        table: one row a key, with the columns of the view's source.

    Raises:
        ValueError: a column of the view is missing, or vectors have different lengths.
    """
    versioned = config.registry.enable_online_feature_view_versioning
    name = compute_table_id(config.project, view, versioned)
    statement = upsert_statement(name, view)
    # SQLite appends to its indexes where keys come in order.
    keys = [(entity.name, "ascending") for entity in view.entity_columns]
    rows = table.sort_by(keys).combine_chunks()
    connection = store._get_conn(config)
    for batch in rows.to_batches(config.materialization_config.online_write_batch_size):
        _validate_vector_field_lengths(batch, view)
        with connection:
            connection.executemany(
                statement, encode_rows(batch, view, config.entity_key_serialization_version)
            )
