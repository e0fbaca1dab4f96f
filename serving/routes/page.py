"""The page that shows the service to people: plain files, nothing from elsewhere."""

import json
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from crossmodal.modalities import MODALITIES

SWAGGER_UI = ("fastapi_offline", "static")
"""Swagger UI in a package: FastAPI's own page of the calls loads it from a network."""

FOLDER = Path(__file__).resolve().parents[1] / "page"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page() -> FileResponse:
    """The page itself."""
    return FileResponse(FOLDER / "index.html", headers=_HEADERS)


@router.get("/docs")
async def calls() -> FileResponse:
    """Every call with its fields, to read and to try."""
    return FileResponse(FOLDER / "docs.html", headers=_HEADERS)


@router.get("/page/modalities.js")
async def modalities() -> Response:
    """What of an item a search can look at, for the scripts."""
    script = f"export const MODALITIES = {json.dumps(MODALITIES)};\n"
    return Response(script, media_type="text/javascript", headers=_HEADERS)


class PageFiles(StaticFiles):
    """Scripts and styles, with the headers of the page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file of the folder."""
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response
