"""The web application: routes, errors, limits, and what is open while it runs."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from serving.access import needs
from serving.body_limit import BodyLimit
from serving.keys import KeyRing, Scope
from serving.problems import handle_problems, problem_responses
from serving.routes import (
    catalogue,
    events,
    features,
    items,
    operations,
    page,
    recommendations,
    search,
)
from serving.service import Service

_DESCRIPTION = """
Recommendations, search and features of a cross-modal catalogue. An event that was acknowledged
changes the next answer. Errors are problem documents (RFC 9457).
"""


def create_app(settings: Settings) -> FastAPI:
    """The service on one home, opened when the server starts and closed when it stops."""
    service = Service(Workspace(settings))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        try:
            yield
        finally:
            await run_in_threadpool(service.stop)

    app = FastAPI(
        title="crossmodal",
        version=version("crossmodal"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
    )
    app.state.service = service
    app.state.keys = KeyRing(StatePaths(settings.home).api_keys)
    app.state.keys.asked()
    handle_problems(app)
    guarded: dict[Scope, list[APIRouter]] = {
        "read": [recommendations.router, items.router, search.router, features.router],
        "items": [catalogue.router],
        "events": [events.router],
        "admin": [operations.figures],
    }
    for scope, routers in guarded.items():
        for router in routers:
            app.include_router(
                router, dependencies=[Depends(needs(scope))], responses=problem_responses(401, 403)
            )
    app.include_router(operations.probes)
    app.include_router(page.router)
    app.mount("/page", page.PageFiles(directory=page.FOLDER))
    app.middleware("http")(_measured(service))
    app.add_middleware(BodyLimit, most_bytes=settings.serve_max_body_bytes)
    return app


def _measured(
    service: Service,
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    async def measured(
        request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        started = time.perf_counter()
        response = await answer(request)
        # The route's template, not its path: a path may name a user.
        route = getattr(request.scope.get("route"), "path", "unknown")
        service.metrics.requests.labels(route, request.method, response.status_code).inc()
        service.metrics.latency.labels(route).observe(time.perf_counter() - started)
        return response

    return measured
