"""Probes and figures for whoever runs the service."""

from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from serving.guarded import guarded
from serving.problems import Problem, problem_responses
from serving.routes.asking import Asked, InUse
from serving.schemas import Health, Readiness

probes = APIRouter(tags=["operations"])
figures = APIRouter(tags=["operations"], route_class=guarded("admin"))


@probes.get("/healthz")
async def alive() -> Health:
    """The process answers."""
    return Health()


@probes.get("/readyz", responses=problem_responses(503))
def ready(service: Asked, champion: InUse) -> Readiness:
    """Champion, features and encoder are loaded."""
    if not service.features.ready():
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "There is no online feature store yet: run `crossmodal run` first.",
            headers={"Retry-After": "5"},
        )
    return Readiness(model_version=champion.version)


@figures.get("/metrics", response_class=PlainTextResponse)
def metrics(service: Asked) -> Response:
    """Figures as Prometheus reads them, of all processes together."""
    service.measure()
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
