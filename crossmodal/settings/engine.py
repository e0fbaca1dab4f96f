"""Where the work of a run is done."""

from typing import Literal

from pydantic import BaseModel, Field


class EngineSettings(BaseModel):
    """The run's own process, or a Ray cluster."""

    engine: Literal["local", "ray"] = Field(
        default="local",
        description="What encodes content and writes lists: local, the run's own process; ray, "
        "the workers of a Ray cluster (docs/scale.md; needs the extra `ray`).",
    )
    ray_address: str = Field(
        default="",
        pattern=r"^(.+:\d+)?$",
        description="host:port of the Ray cluster, one of whose nodes the run is on. Empty: a run "
        "starts Ray on its machine and ends it.",
    )
