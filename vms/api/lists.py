"""What all lists of the API have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from django.db.models import Model, QuerySet
from ninja import Query
from pydantic import BaseModel

Row = TypeVar("Row", bound=Model)
Item = TypeVar("Item", bound=BaseModel)

LARGEST_PAGE = 200
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
Id = Annotated[int, Query(ge=1, le=2**63 - 1)]


class Listing(BaseModel, Generic[Item]):
    """A page of items, the number of all, and how old the oldest of what it is made from is (null: unknown)."""

    items: list[Item]
    count: int
    fresh_at: datetime | None


def listing(
    rows: QuerySet[Row], show: Callable[[list[Row]], list[Item]], page: int, page_size: int, fresh_at: datetime | None
) -> Listing[Item]:
    """The page of the rows; one behind the last is empty."""
    start = (page - 1) * page_size
    items = show(list(rows[start : start + page_size]))
    return Listing(items=items, count=rows.count(), fresh_at=fresh_at)
