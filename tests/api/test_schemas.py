"""The description of the API: one schema a name."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

from pydantic import BaseModel

from vms.api.urls import api


def models(of: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    for model in of.__subclasses__():
        yield model
        yield from models(model)


def test_no_two_are_described_by_one_name() -> None:
    """The second would take the place of the first without a word."""
    assert api.get_openapi_schema()["components"]["schemas"]
    here = [model for model in models() if model.__module__.startswith("vms.api.")]
    # What the router makes of a function's parameters is of no module.
    ours = {model for model in here if getattr(sys.modules[model.__module__], model.__name__, None) is model}
    assert [name for name, count in Counter(model.__name__ for model in ours).items() if count > 1] == []
