"""The web application: routes, errors, limits, and what is open while it runs."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from threadpoolctl import threadpool_limits

from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.training import one_thread
from serving.access import needs
from serving.body_limit import BodyLimit
from serving.keys import KeyRing, Scope
from serving.measured import Measured
from serving.metrics import Metrics
from serving.parameters import only_known
from serving.problems import handle_problems, problem_responses
from serving.rate_limit import RateLimit
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


def create_app(settings: Settings, figures: Path | None = None) -> FastAPI:
    """The service on one home, opened when the server starts and closed when it stops.

    Args:
        settings: of the service.
        figures: folder of the figures of all processes; None for a lone one.
    """
    paths = StatePaths(settings.home)
    service = Service(Workspace(settings), Metrics(figures))
    limit = RateLimit(paths.rate_limits, settings.serve_key_rate, settings.serve_key_burst)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Requests run side by side: threads within one would only wait for those of others.
        with one_thread(), threadpool_limits(1):
            await run_in_threadpool(service.start)
            # Every request with a query reads it, and making it would hold up the first.
            app.openapi()
            # What was loaded lives as long as the service: a collector need not walk through it.
            gc.collect()
            gc.freeze()
            try:
                yield
            finally:
                gc.unfreeze()
                await run_in_threadpool(service.stop)
                limit.close()

    app = FastAPI(
        title="crossmodal",
        version=version("crossmodal"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.state.rate_limit = limit
    app.state.keys = KeyRing(paths.api_keys)
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
                router,
                dependencies=[Depends(needs(scope)), Depends(only_known)],
                responses=problem_responses(400, 401, 403, 429),
            )
    app.include_router(operations.probes)
    app.include_router(page.router)
    app.mount("/page", page.PageFiles(directory=page.FOLDER))
    app.mount("/swagger-ui", page.PageFiles(packages=[page.SWAGGER_UI]))
    app.add_middleware(BodyLimit, most_bytes=settings.serve_max_body_bytes)
    app.add_middleware(Measured, metrics=service.metrics)
    return app
