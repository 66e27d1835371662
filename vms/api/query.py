"""How query strings are read: nothing given is nothing asked, and nothing unknown passes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from ninja.errors import ValidationError
from ninja.parser import Parser


class QueryParser(Parser):
    """A parameter without a value is one that was not given, as in a form that was left empty."""

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> dict[str, Any]:
        found = super().parse_querydict(data, list_fields, request)
        return {name: value for name, value in found.items() if value != ""}


def known_only(view: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse parameters that the operation does not have: a misspelt filter must not show everything."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **values: Any) -> Any:
        models = view._ninja_operation.models  # type: ignore[attr-defined]
        queries = [model for model in models if model.__ninja_param_source__ == "query"]
        known = {name for model in queries for name in model.__ninja_flatten_map__}
        unknown = sorted(set(request.GET) - known)
        if unknown:
            raise ValidationError(
                [{"loc": ("query", name), "type": "unknown", "msg": "There is no such parameter"} for name in unknown]
            )
        return view(request, *args, **values)

    return wrapped
