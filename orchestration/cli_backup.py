"""Commands that put the whole state into one file, and make a home of such a file."""

from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from orchestration.cli_shared import fail, read_settings

if TYPE_CHECKING:
    from crossmodal.archives import Manifest
    from crossmodal.settings import Settings

_MIB = 1 << 20


def backup(
    archive: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write, such as home.tar.zst.")
    ],
    verify: Annotated[
        bool, typer.Option("--verify", help="Write nothing: read FILE and compare every checksum.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for a run to end.")
    ] = 3600,
) -> None:
    """Writes the whole state into one file, while everything else works, and reads it back."""
    from crossmodal.archives import ArchiveError, verify_archive
    from crossmodal.ending import on_ending

    try:
        with on_ending(_leave):
            if verify:
                typer.echo(f"Whole: {_described(archive, verify_archive(archive))}.")
            else:
                _back_up(read_settings(), archive, wait)
    except ArchiveError as error:
        fail(str(error))


def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` has written.")],
) -> None:
    """Makes the state folder, which must be missing or empty, of a backup."""
    settings = read_settings()
    from crossmodal.archives import ArchiveError
    from crossmodal.ending import on_ending
    from crossmodal.paths import StatePaths
    from feature_repo.store import RegistryDamagedError
    from orchestration.restore import HomeNotEmptyError
    from orchestration.restore import restore as make_home

    try:
        with on_ending(_leave):
            manifest = make_home(StatePaths(settings.home), archive)
    except (ArchiveError, HomeNotEmptyError) as error:
        fail(str(error))
    except RegistryDamagedError as error:
        fail(f"Restored to {settings.home} as it was backed up. {error}")
    typer.echo(f"Restored to {settings.home}: {_described(archive, manifest)}.")
    typer.echo("`crossmodal doctor` says whether everything is in order.")
    _warn_of_another_key(settings)


def _back_up(settings: "Settings", archive: Path, wait: float) -> None:
    from crossmodal.home_lock import HomeBusyError
    from crossmodal.paths import StatePaths
    from crossmodal.store_errors import StoreError
    from orchestration.backup import NoStateError, back_up

    def say(sentence: str) -> None:
        typer.echo(sentence, err=True)

    paths = StatePaths(settings.home)
    try:
        manifest = back_up(paths, archive, wait, say)
    except (HomeBusyError, NoStateError, StoreError) as error:
        fail(str(error))
    typer.echo(f"Written and read back: {_described(archive, manifest)}.")
    typer.echo(_secret(settings))
    source = settings.source_path
    if source is not None and not source.resolve().is_relative_to(paths.home.resolve()):
        typer.echo(f"The source {source} lies outside the home and is not in it: keep it too.")


def _described(archive: Path, manifest: "Manifest") -> str:
    return (
        f"{archive}, {archive.stat().st_size / _MIB:,.1f} MiB: {len(manifest.files):,} files of "
        f"{manifest.bytes / _MIB:,.1f} MiB, of release {manifest.release}, made at "
        f"{manifest.made_at}"
    )


def _secret(settings: "Settings") -> str:
    if settings.id_key is not None:
        return (
            "The key of the users' pseudonyms is CROSSMODAL_ID_KEY, which is not in it: keep it "
            "too, apart from the file. The file holds what users did and wrote, and hashes of API "
            "keys: keep it as secret as the home."
        )
    return (
        "It holds the secret key of the users' pseudonyms (id.key), what users did and wrote, and "
        "hashes of API keys: keep it as secret as the home."
    )


def _warn_of_another_key(settings: "Settings") -> None:
    from crossmodal.pseudonyms import PseudonymKeyError
    from crossmodal.workspace import Workspace

    workspace = Workspace(settings)
    try:
        if workspace.has_named_users():
            workspace.key_of_users()
    except PseudonymKeyError as error:
        typer.echo(str(error), err=True)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # Unlike the signal's own way, this removes what is half written.
    raise SystemExit(128 + number)
