"""The web application: routes, errors, limits, and what is open while it runs."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from threadpoolctl import threadpool_limits

from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.training import one_thread
from serving.bodies import Bodies
from serving.crowding import MostAtOnce
from serving.hosts import AllowedHosts
from serving.keys import KeyRing
from serving.lingering import Lingering
from serving.measured import Measured
from serving.methods import HeadAsGet
from serving.metrics import Metrics
from serving.paths import PlainPaths
from serving.problems import handle_problems
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
        # It would send people on to whatever name they came by.
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.rate_limit = limit
    app.state.keys = KeyRing(paths.api_keys)
    # Remembers from the start that there are keys, even if all are revoked later.
    app.state.keys.required()
    app.state.bodies = Bodies(settings)
    handle_problems(app)
    for part in (recommendations, items, search, features, catalogue, events, page):
        app.include_router(part.router)
    app.include_router(operations.figures)
    app.include_router(operations.probes)
    app.mount("/page", page.PageFiles(directory=page.FOLDER))
    app.mount("/swagger-ui", page.PageFiles(packages=[page.SWAGGER_UI]))
    # From the inmost to the outmost.
    app.add_middleware(HeadAsGet)
    app.add_middleware(PlainPaths)
    app.add_middleware(MostAtOnce, most=settings.serve_requests_at_once)
    app.add_middleware(
        AllowedHosts,
        address=settings.serve_host,
        names=settings.serve_allowed_hosts,
        keyed=app.state.keys.required,
    )
    app.add_middleware(Measured, metrics=service.metrics)
    app.add_middleware(Lingering, seconds=settings.serve_header_seconds)
    return app
