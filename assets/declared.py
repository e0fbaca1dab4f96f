"""A lake that reads what an asset has declared: an input that is forgotten would keep it stale."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from crossmodal.lake import Lake
from crossmodal.workspace import Workspace


class UndeclaredTableError(RuntimeError):
    """An asset uses a table that it does not declare; the message names both."""


class DeclaredLake(Lake):
    """The tables of a lake that one asset declares.

    Args:
        root: of the lake.
        asset: who declares them.
        tables: their names; of a partitioned one, that of the whole.

    Raises:
        UndeclaredTableError: at every look at another table.
    """

    def __init__(self, root: Path, asset: str, tables: frozenset[str]) -> None:
        super().__init__(root)
        self._asset, self._tables = asset, tables

    def path(self, table: str) -> Path:
        """The file of a declared table."""
        self._require(table)
        return super().path(table)

    def partitions(self, table: str) -> list[str]:
        """Sorted keys of a declared table's files."""
        self._require(table)
        return super().partitions(table)

    def _require(self, table: str) -> None:
        whole = table.partition("/")[0]
        if whole not in self._tables:
            raise UndeclaredTableError(
                f"The asset {self._asset} uses the table {whole}, which it does not declare: add "
                "it to its inputs, so that a new content makes the asset again."
            )


@dataclass(frozen=True)
class DeclaredWorkspace(Workspace):
    """A workspace whose lake holds what one asset declares.

    Attributes:
        asset: its name.
        tables: what it declares, its own table included.
    """

    asset: str = ""
    tables: frozenset[str] = frozenset()

    @cached_property
    def lake(self) -> Lake:
        """The declared tables."""
        return DeclaredLake(self.paths.lake, self.asset, self.tables)
