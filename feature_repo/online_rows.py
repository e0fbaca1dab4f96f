"""Rows of Feast's SQLite online store, encoded column by column instead of value by value.

Numbers, vectors and keys are laid out as Feast's messages are in memory, text and instants are
converted once per distinct value, and all else is given to Feast's own converter whole. The bytes
are Feast's in every case.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, repeat
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import extract_text_and_num
from feast.infra.online_stores.sqlite import adapt_datetime_epoch
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import FloatList, Int32List, Int64List, Value
from feast.type_map import python_values_to_proto_values
from feast.value_type import ValueType

# No bytes: sqlite3 looks for an adapter of each, which takes longer than to store it. It looks for
# none of numbers, text and bytearrays.
_Column = tuple[Sequence[bytearray], Sequence[str | None]]
"""The message of each value, and its text."""

_NOTHING = bytearray()
_FLOAT_BYTES = 4
_FLOATS = {
    ValueType.FLOAT: (Value(float_val=0), pa.float32(), "<f4"),
    ValueType.DOUBLE: (Value(double_val=0), pa.float64(), "<f8"),
}
_INTEGERS: dict[ValueType, tuple[Value, pa.DataType, type[Any]]] = {
    ValueType.INT32: (Value(int32_val=0), pa.int32(), Int32List),
    ValueType.INT64: (Value(int64_val=0), pa.int64(), Int64List),
}

_T = TypeVar("_T")


def upsert_statement(table: str, view: FeatureView) -> str:
    """SQL that writes what `encode_rows` makes of one entity: a row of the table per feature.

    Args:
        table: name of the online table.
        view: whose features are written.
    """
    made = "?2" if _created_column(view) else "NULL"
    first = 3 if _created_column(view) else 2
    rows = ", ".join(
        f"(?1, {_literal(feature.name)}, ?{place}, ?{place + 1}, ?{first}, {made})"
        for feature, place in zip(view.features, count(first + 1, 2), strict=False)
    )
    written = ("value", "value_text", "event_ts", "created_ts")
    updates = ", ".join(f"{column} = excluded.{column}" for column in written)
    quoted = table.replace('"', '""')
    return (
        f'INSERT INTO "{quoted}" (entity_key, feature_name, {", ".join(written)}) '  # noqa: S608
        f"VALUES {rows} ON CONFLICT (entity_key, feature_name) DO UPDATE SET {updates}"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _created_column(view: FeatureView) -> str | None:
    return view.batch_source.created_timestamp_column or None if view.batch_source else None


def encode_rows(
    batch: pa.RecordBatch, view: FeatureView, key_version: int
) -> Iterator[tuple[Any, ...]]:
    """What Feast's SQLite store would write for a batch, in the batch's order.

    Args:
        batch: join keys, features and instants of the view, by their names in it.
        view: whose source says which columns hold the instants.
        key_version: Feast's `entity_key_serialization_version`.

    Returns:
        The parameters of `upsert_statement` per entity: its key, the seconds of its creation where
        the source has such a column, those of its event, then message and text of each feature.

    Raises:
        ValueError: a column of the view is not in the batch.
    """
    if view.batch_source is None:
        raise ValueError(f"Feature view {view.name!r} has no batch source to read from.")
    instants = [_created_column(view), view.batch_source.timestamp_field]
    columns: list[Sequence[Any]] = [_entity_keys(batch, view, key_version)]
    columns += [_instants(_column(batch, name)) for name in instants if name]
    for feature in view.features:
        columns += _encoded(_column(batch, feature.name), feature.dtype.to_value_type())
    return zip(*columns, strict=True)


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name not in batch.schema.names:
        raise ValueError(f"Column {name} not found in table")
    return batch.column(name)


def _entity_keys(batch: pa.RecordBatch, view: FeatureView, version: int) -> list[bytearray]:
    names = [entity.name for entity in view.entity_columns]
    kinds = [entity.dtype.to_value_type() for entity in view.entity_columns]
    columns = [_column(batch, name) for name in names]
    plain = all(pa.types.is_string(each.type) and not each.null_count for each in columns)
    if plain and kinds == [ValueType.STRING]:
        return _text_keys(names[0], columns[0].to_pylist(), version)
    values = [_converted(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return [bytearray(_entity_key(names, row, version)) for row in zip(*values, strict=True)]


def _entity_key(names: list[str], values: Sequence[Value], version: int) -> bytes:
    return serialize_entity_key(EntityKey(join_keys=names, entity_values=values), version)


def _text_keys(name: str, texts: list[str], version: int) -> list[bytearray]:
    """Keys of one text each, which ends them, after its length in four bytes."""
    head = bytearray(_entity_key([name], [Value(string_val="")], version)[:-4])
    encoded = [text.encode() for text in texts]
    return [head + len(text).to_bytes(4, "little") + text for text in encoded]


def _instants(column: pa.Array) -> list[int | None]:
    """Whole seconds, as Feast's adapter stores instants without a zone."""
    exact = column.cast(pa.timestamp("us", tz=getattr(column.type, "tz", None)), safe=False)
    instants = exact.to_numpy(zero_copy_only=False).tolist()
    return [None if each is None else adapt_datetime_epoch(each) for each in instants]


def _encoded(column: pa.Array, kind: ValueType) -> _Column:
    if kind in _FLOATS and column.type == _FLOATS[kind][1]:
        return _encoded_floats(column, kind)
    if kind in _INTEGERS and column.type == _INTEGERS[kind][1] and not column.null_count:
        return _encoded_integers(column, kind)
    if kind == ValueType.FLOAT_LIST and _plain_float_lists(column):
        return _encoded_float_lists(column)
    if _plain_distinct(column, kind):
        return _by_distinct(column, kind)
    return _serialised(column, kind)


def _encoded_floats(column: pa.Array, kind: ValueType) -> _Column:
    """NaN is no value, as Feast has it."""
    zero, _, layout = _FLOATS[kind]
    numbers = column.to_numpy(zero_copy_only=False).astype(layout, copy=False)
    width = numbers.dtype.itemsize
    bounds = np.arange(len(numbers) + 1) * width
    values = _messages(repeat(_tag(zero, width)), numbers.tobytes(), bounds)
    texts: list[str | None] = list(map(str, numbers.tolist()))
    for place in np.flatnonzero(np.isnan(numbers)).tolist():
        values[place], texts[place] = _NOTHING, None
    return values, texts


def _encoded_integers(column: pa.Array, kind: ValueType) -> _Column:
    zero, _, message = _INTEGERS[kind]
    numbers = column.to_pylist()
    packed = message(val=numbers).SerializeToString()
    # The last byte of a number is the one below 128. The list's tag and length come before.
    ends = np.flatnonzero(np.frombuffer(packed, np.uint8) < 128) + 1
    values = _messages(repeat(_tag(zero, 1)), packed, ends[1:])
    return values, list(map(str, numbers))


def _tag(zero: Value, width: int) -> bytearray:
    """What comes before the number in a message, given that of 0, which takes so many bytes."""
    return bytearray(zero.SerializeToString()[:-width])


def _messages(
    heads: Iterable[bytearray], content: bytes, bounds: npt.NDArray[np.int64]
) -> list[bytearray]:
    """One message per value: its head, then what lies between its bounds."""
    places = bounds.tolist()
    ranges = zip(heads, places, places[1:], strict=False)
    return [head + content[start:end] for head, start, end in ranges]


def _plain_float_lists(column: pa.Array) -> bool:
    """Whether the lists' bytes in memory are those of Feast's messages."""
    if not (pa.types.is_list(column.type) and pa.types.is_float32(column.type.value_type)):
        return False
    values = column.flatten()
    return not values.null_count and not pc.any(pc.is_nan(values)).as_py()


def _encoded_float_lists(column: pa.Array) -> _Column:
    content = column.flatten().to_numpy().astype("<f4", copy=False).tobytes()
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    bounds = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]) * _FLOAT_BYTES
    known = {length: _head(length) for length in np.unique(lengths).tolist()}
    heads = [
        known[length] if there else _NOTHING
        for length, there in zip(lengths.tolist(), column.is_valid().to_pylist(), strict=True)
    ]
    return _messages(heads, content, bounds), [None] * len(heads)


def _head(length: int) -> bytearray:
    """What comes before the numbers in the message of a list of this length."""
    message = Value(float_list_val=FloatList(val=[0.0] * length)).SerializeToString()
    return bytearray(message[: len(message) - length * _FLOAT_BYTES])


def _plain_distinct(column: pa.Array, kind: ValueType) -> bool:
    """Whether distinct values can be converted apart from their column.

    Nulls make Feast turn integers into floats and instants into the earliest there is; text and
    floats stay what they are.
    """
    text = kind == ValueType.STRING and pa.types.is_string(column.type)
    number = kind in _FLOATS and pa.types.is_floating(column.type)
    integer = kind in _INTEGERS and pa.types.is_integer(column.type)
    instant = kind == ValueType.UNIX_TIMESTAMP and pa.types.is_timestamp(column.type)
    return text or number or ((integer or instant) and not column.null_count)


def _by_distinct(column: pa.Array, kind: ValueType) -> _Column:
    encoded = column.dictionary_encode()
    values, texts = _serialised(encoded.dictionary, kind)
    places = pc.fill_null(encoded.indices, len(values)).to_pylist()
    return _taken([*values, _NOTHING], places), _taken([*texts, None], places)


def _taken(known: Sequence[_T], places: list[int]) -> list[_T]:
    return [known[place] for place in places]


def _serialised(column: pa.Array, kind: ValueType) -> _Column:
    """Feast's way: a message object per value."""
    converted = _converted(column, kind)
    values = [bytearray(value.SerializeToString()) for value in converted]
    return values, [extract_text_and_num(value, compute_num=False)[0] for value in converted]


def _converted(column: pa.Array, kind: ValueType) -> list[Value]:
    values: list[Value] = python_values_to_proto_values(column.to_numpy(zero_copy_only=False), kind)
    return values
