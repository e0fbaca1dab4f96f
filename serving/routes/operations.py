"""Probes and figures for whoever runs the service."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from serving.access import keys_unreadable
from serving.guarded import guarded
from serving.keys import KeyFileError, KeyRing
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
def ready(request: Request, service: Asked, champion: InUse) -> Readiness:
    """Champion, features and encoder are loaded, keys can be read, and events be written."""
    if not service.features.ready():
        raise _not_ready("There is no online feature store yet: run `crossmodal run` first.")
    ring: KeyRing = request.app.state.keys
    try:
        ring.required()
    except KeyFileError as error:
        ring.report(error)
        raise keys_unreadable() from error
    why = service.events.why_unwritable()
    if why is not None:
        raise _not_ready(f"Events cannot be written: {why}.")
    return Readiness(model_version=champion.version)


def _not_ready(why: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, why, headers={"Retry-After": "5"})


@figures.get("/metrics", response_class=PlainTextResponse)
def metrics(service: Asked) -> Response:
    """Figures as Prometheus reads them, of all processes together."""
    service.measure()
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
