"""A source by its name."""

from pkgutil import resolve_name

from sources.catalogue import SOURCE_NAMES, SourceEntry, SourceRequest, source_entry
from sources.protocol import Source, SourceError


def require_known_source(name: str) -> SourceEntry:
    """The entry of a source.

    Raises:
        SourceError: there is none of this name.
    """
    entry = source_entry(name)
    if entry is None:
        raise SourceError(
            f"Source {name!r} is unknown; choose {', '.join(SOURCE_NAMES[:-1])} or "
            f"{SOURCE_NAMES[-1]} by --source or CROSSMODAL_SOURCE."
        )
    return entry


def open_source(name: str, request: SourceRequest) -> Source:
    """The source of a name in `sources.catalogue`.

    Raises:
        SourceError: the name is unknown, or the source lacks what it needs.
    """
    # Imported where it is opened: codecs and network clients take seconds.
    opened: Source = resolve_name(require_known_source(name).open)(request)
    return opened
