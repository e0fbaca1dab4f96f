"""Where the work of a run is done."""

from typing import Literal

from pydantic import BaseModel, Field


class EngineSettings(BaseModel):
    """The machine of the run, or a Ray cluster."""

    engine: Literal["local", "ray"] = Field(
        default="local",
        description="What encodes content, fits models and writes lists: local, the machine of the "
        "run; ray, the workers of a Ray cluster (docs/scale.md; needs the extra `ray`).",
    )
    ray_address: str = Field(
        default="",
        pattern=r"^(.+:\d+)?$",
        description="host:port of the Ray cluster, one of whose nodes the run is on. Empty: a run "
        "starts Ray on its machine and ends it.",
    )
