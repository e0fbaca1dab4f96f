"""Query parameters that a route does not know, or is given twice: refused, not passed over."""

import difflib
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Request

from serving.problems import MOST_ERRORS, FieldError, Problem


async def only_known(request: Request) -> None:
    """A dependency of routes that refuse a parameter which would do nothing.

    Raises:
        Problem: 422, which names the parameter and those that there are.
    """
    if not request.query_params:
        return
    takes_several = _parameters(request)
    counts: dict[str, int] = {}
    for name, _ in request.query_params.multi_items():
        counts[name] = counts.get(name, 0) + 1
    errors = [
        FieldError(field=f"query.{name}", message=message)
        for name, count in counts.items()
        if (message := _fault(name, count, takes_several))
    ][:MOST_ERRORS]
    if errors:
        names = ", ".join(error.field for error in errors)
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"The request cannot be used: {names}.", tuple(errors)
        )


def _parameters(request: Request) -> Mapping[str, bool]:
    """The query parameters of a request's route, and whether each may be given several times."""
    path = request.app.openapi()["paths"][request.scope["route"].path_format]
    described = path[request.method.lower()].get("parameters", ())
    return {
        parameter["name"]: parameter["schema"].get("type") == "array"
        for parameter in described
        if parameter["in"] == "query"
    }


def _fault(name: str, count: int, takes_several: Mapping[str, bool]) -> str:
    """What is wrong with a parameter that is given so many times; empty where nothing is."""
    if name not in takes_several:
        if not takes_several:
            return "There is no such parameter; this route takes none."
        near = difflib.get_close_matches(name, takes_several, n=1)
        hint = f" Is {near[0]} meant?" if near else ""
        return f"There is no such parameter; there are {', '.join(sorted(takes_several))}.{hint}"
    if count > 1 and not takes_several[name]:
        return f"It may be given once; it is given {count} times."
    return ""
