"""Whether a version that was kept can answer in this home."""

from assets.item_vectors import encoders_of
from crossmodal.lake import Lake, TableMissingError
from crossmodal.workspace import Workspace
from models.registry import ModelRegistry, ModelVersion, UnknownVersionError, is_whole

_READS_TOKENS = "item_tokens"


def why_unusable(workspace: Workspace, version: str) -> str | None:
    """Why a version cannot answer, as far as its files and tables say; None where they are fine.

    Args:
        workspace: the home.
        version: a name, of a version or not.

    Returns:
        A sentence that names the file or the version, and the way out.
    """
    registry = ModelRegistry(workspace.paths.models)
    folder = registry.root / version
    try:
        made = registry.version(version)
        lacking = registry.lacking(version)
    except UnknownVersionError:
        return (
            f"{registry.root} holds no version {version!r}: `crossmodal champion` lists those that "
            "can be returned to."
        )
    except (OSError, ValueError, TypeError) as error:
        return f"The manifest of {folder} cannot be read ({error}): choose another version."
    if lacking:
        return f"{folder} lacks {', '.join(lacking)}: choose another version."
    if not is_whole(folder):
        return f"The weights in {folder} are not what was saved: choose another version."
    if made.judged_by and not is_whole(registry.root / made.judged_by):
        return (
            f"{made.judged_by}, which {version} was judged by, is not whole any more, so that no "
            "new model could be compared with it: choose another version."
        )
    return _of_other_vectors(workspace.lake, made)


def _of_other_vectors(lake: Lake, made: ModelVersion) -> str | None:
    """Why a version does not understand the item vectors of a lake; None where it does."""
    if not made.encoders:
        return _of_unknown_vectors(lake, made)
    now = encoders_of(lake)
    others = ", ".join(name for name, of in now.items() if made.encoders.get(name, of) != of)
    if not others:
        return None
    return (
        f"{made.version} was fitted on vectors that another encoder made of {others}: choose "
        "another version, or set the former encoder and run `crossmodal run`."
    )


def _of_unknown_vectors(lake: Lake, made: ModelVersion) -> str | None:
    """The same for a version that an older platform kept, which did not note the encoders."""
    try:
        same = made.data_versions.get(_READS_TOKENS) == lake.version(_READS_TOKENS).data_version
    except TableMissingError as error:
        return str(error)
    if same:
        return None
    return (
        f"{made.version} does not say which encoders made its item vectors, and these have changed "
        "since: choose another version."
    )
