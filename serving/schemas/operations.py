"""How the service is."""

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """Whether the service lives."""

    status: Literal["alive"] = Field(default="alive", description="It answers.")


class Readiness(BaseModel):
    """Whether the service can answer."""

    status: Literal["ready"] = Field(default="ready", description="It has all that it needs.")
    model_version: str = Field(
        description="The model in use.", examples=["mmnn-user-temporal-f7da3de3"]
    )
