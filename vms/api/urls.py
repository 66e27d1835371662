"""The API's addresses."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, include, path, register_converter
from django.urls.converters import StringConverter
from ninja import NinjaAPI

from vms.api import (
    advice,
    agent,
    alert_sinks,
    alerts,
    audit,
    capacity,
    clone,
    console,
    define,
    dump,
    events,
    grants,
    groups,
    hardware,
    history,
    host_plans,
    hosts,
    images,
    imports,
    maintenance,
    metrics,
    migration,
    move_routes,
    networks,
    nwfilters,
    offers,
    operations,
    pending,
    placement,
    pools,
    problems,
    query,
    quotas,
    schedules,
    secrets,
    seeds,
    sessions,
    sizes,
    snapshots,
    systems,
    tags,
    templates,
    tokens,
    trash,
    uploads,
    users,
    volumes,
    wall,
    xml,
)
from vms.api.auth import Bearer, Session

api = NinjaAPI(
    title="kvmweb",
    version="1",
    openapi_url=None,
    docs_url=None,
    auth=[Bearer(), Session()],
    parser=query.QueryParser(),
)
problems.handle(api)
api.add_decorator(query.known_only, mode="operation")


@cache
def description() -> dict[str, Any]:
    """The same for everybody; to make it takes most of a second."""
    return problems.described(api.get_openapi_schema())


@api.get("/openapi.json", include_in_schema=False)
def openapi(request: HttpRequest) -> dict[str, Any]:
    """The description of all this, for programs that make clients."""
    return description()


api.add_router("/hosts", hosts.router)
api.add_router("/hosts", pools.hosts_router)
api.add_router("/hosts", secrets.router)
api.add_router("/hosts", move_routes.router)
api.add_router("/pools", pools.router)
api.add_router("/hosts", networks.hosts_router)
api.add_router("/hosts", nwfilters.router)
api.add_router("/networks", networks.router)
api.add_router("/hosts", offers.hosts_router)
api.add_router("/hosts", define.router)
api.add_router("/hosts", maintenance.router)
api.add_router("/offers", offers.router)
# With what is listed there, since one address has one router.
api.add_router("/vms", imports.router)
api.add_router("/vms", console.router)
api.add_router("/vms", tags.vms_router)
api.add_router("/vms", trash.vms_router)
api.add_router("/vms", clone.router)
api.add_router("/vms", dump.router)
api.add_router("/vms", migration.router)
api.add_router("/placement", placement.router)
api.add_router("/plans", host_plans.router)
api.add_router("/vms", seeds.router)
api.add_router("/sizes", sizes.router)
api.add_router("/os", systems.router)
api.add_router("/vms", pending.router)
api.add_router("/vms", snapshots.router)
api.add_router("/vms", history.router)
api.add_router("/vms", metrics.vms_router)
api.add_router("/hosts", metrics.hosts_router)
api.add_router("/vms", wall.router)
api.add_router("/pools", metrics.pools_router)
api.add_router("/vms", events.vms_router)
api.add_router("/hosts", events.hosts_router)
api.add_router("/vms", xml.router)
api.add_router("/vms", hardware.router)
api.add_router("/vms", agent.router)
api.add_router("/top", capacity.top_router)
api.add_router("/capacity", capacity.router)
api.add_router("/advice", advice.router)
api.add_router("/trash", trash.router)
api.add_router("/vms", templates.vms_router)
api.add_router("/templates", templates.router)
api.add_router("/pools", volumes.pools_router)
api.add_router("/volumes", volumes.router)
api.add_router("/images", images.router)
api.add_router("/catalogue", images.catalogue_router)
api.add_router("/operations", operations.router)
api.add_router("/tags", tags.router)
api.add_router("/roles", grants.roles_router)
api.add_router("/grants", grants.router)
api.add_router("/quotas", quotas.router)
api.add_router("/access", grants.access_router)
api.add_router("/schedules", schedules.router)
api.add_router("/alerts", alerts.router)
api.add_router("/alert-rules", alerts.rules_router)
api.add_router("/alert-sinks", alert_sinks.router)
api.add_router("/alert-silences", alerts.silences_router)
api.add_router("/audit", audit.router)
api.add_router("/me", users.me_router)
api.add_router("/users", users.router)
api.add_router("/sessions", sessions.router)
api.add_router("/consoles", sessions.consoles_router)
api.add_router("/tokens", tokens.router)
api.add_router("/groups", groups.router)
api.add_router("/pools", uploads.router)
api.add_router("/volumes", uploads.volumes_router)


class Anything(StringConverter):
    """All that is left of an address, also with the line breaks that <path:> does not take."""

    regex = r"[\s\S]+"


register_converter(Anything, "anything")
routes, application, namespace = api.urls
for route in routes:
    if isinstance(route, URLPattern):
        route.callback = problems.complete(route.callback)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", problems.nowhere),
    path("", include((routes, application), namespace=namespace)),
    path("<anything:rest>", problems.nowhere),
]
