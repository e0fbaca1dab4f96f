"""What the online service takes, and for how long."""

from pydantic import BaseModel, Field


class ServingSettings(BaseModel):
    """Address, bounds, rates and times of the service."""

    serve_host: str = Field(
        default="127.0.0.1", description="Address that `crossmodal serve` listens on."
    )
    serve_port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        description="Port that `crossmodal serve` listens on; 0 takes any free one.",
    )
    serve_workers: int = Field(default=1, ge=1, le=64, description="Processes that share the port.")
    serve_allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Host names under which the service may be called, in addition to those of "
        'this machine, as JSON: ["shop.example", "*.shop.example"]; "*" for any. If '
        "the list is empty and there are keys, any name may be used.",
    )
    serve_max_body_bytes: int = Field(
        default=16_000_000,
        gt=0,
        description="Largest body of a request, such as a file; above it, 413. The limits for JSON "
        "are lower.",
    )
    serve_held_bytes: int = Field(
        default=64_000_000,
        gt=0,
        description="Bytes of request bodies that a process may hold; above it, 503.",
    )
    serve_requests_at_once: int = Field(
        default=256, ge=1, description="Requests that a process answers at once; above it, 503."
    )
    serve_header_seconds: float = Field(
        default=10.0,
        gt=0,
        description="Time to send the head of a request; after it, the connection is closed.",
    )
    serve_body_seconds: float = Field(
        default=15.0, gt=0, description="Longest wait for the next part of a body; after it, 408."
    )
    serve_body_pace: int = Field(
        default=64_000,
        gt=0,
        description="Average bytes per second that a body must reach, counted once "
        "CROSSMODAL_SERVE_BODY_SECONDS have passed; below it, 408.",
    )
    serve_stop_seconds: float = Field(
        default=10.0,
        gt=0,
        description="Time that requests have to end when the service is stopped.",
    )
    serve_waiting_batches: int = Field(
        default=256,
        ge=1,
        description="Batches of events that may wait for the disk; above it, 429.",
    )

    serve_key_rate: float = Field(
        default=200.0, gt=0, description="Requests per second of one key; above it, 429."
    )
    serve_key_burst: int = Field(
        default=400, ge=1, description="Requests that a key may make at once."
    )
    serve_remembered_bytes: int = Field(
        default=32_000_000,
        ge=0,
        description="Bytes of lists that a process keeps in memory, to answer again if nothing has "
        "changed; 0 keeps none.",
    )
    serve_user_state_seconds: float = Field(
        default=0.2,
        gt=0,
        description="Time to read a user's events; after it, 503, except that /v1/rank uses the "
        "lake's events.",
    )
    serve_ranking_seconds: float = Field(
        default=0.5, gt=0, description="Time to rank; after it, the stored or popular list is used."
    )
    serve_diversity_seconds: float = Field(
        default=0.2,
        gt=0,
        description="Time to diversify; after it, the list is in the order of the scores.",
    )
    serve_reasons_seconds: float = Field(
        default=0.2, gt=0, description="Time to explain; after it, the list has no reasons."
    )
    serve_features_seconds: float = Field(
        default=0.2,
        gt=0,
        description="Time for Feast to find a stored list; after it, the popular items are used.",
    )
