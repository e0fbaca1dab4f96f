"""Where the state lies, and what every part of the platform takes."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, SecretStr, field_validator

AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().resolve())]
"""A path that holds in any working folder."""


def _default_home() -> Path:
    """`.crossmodal/` in the project's checkout, whatever folder a command is started from."""
    return Path(__file__).resolve().parents[2] / ".crossmodal"


class HomeSettings(BaseModel):
    """The home, its key, and what choices and computations go by."""

    home: AbsolutePath = Field(
        default_factory=_default_home,
        description="Folder that holds all state; its path has no % and no ?. Deleting it is a "
        "factory reset.",
    )
    id_key: SecretStr | None = Field(
        default=None,
        description="Key of the user pseudonyms. Without it a key file is made in the home.",
    )
    # Trees take larger ones for others, without a word.
    seed: int = Field(
        default=42, ge=0, le=2_000_000_000, description="Seed of every random choice."
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="auto, cpu, mps, cuda or cuda:N. auto takes CUDA, else Apple's MPS, else the "
        "CPU.",
    )

    @field_validator("home")
    @classmethod
    def _can_be_in_an_address(cls, home: Path) -> Path:
        """Dagster and Optuna address their databases by the home's path as it is."""
        if {"%", "?"} & set(str(home)):
            raise ValueError(
                f"{home} has a % or a ?, which mean something else in the address of a database; "
                "name another folder"
            )
        return home
