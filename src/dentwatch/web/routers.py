"""All routers of parts that serving does not know, for :func:`dentwatch.serving.api.create_app`."""

from dentwatch.loop import annotation_routes, approval_routes
from dentwatch.monitoring import routes as monitoring
from dentwatch.monitoring.kpis import routes as kpi_routes
from dentwatch.web import (
    assets_routes,
    audit,
    changing_models,
    comparing,
    data,
    health,
    incidents,
    inspect,
    inspections,
    kpis,
    live,
    models,
    overview,
    review,
    settings_page,
    signing_in,
)

ROUTERS = [
    monitoring.router,
    kpi_routes.router,
    annotation_routes.router,
    approval_routes.router,
    assets_routes.router,
    signing_in.router,
    live.router,
    overview.router,
    inspect.router,
    inspections.router,
    review.router,
    data.router,
    comparing.router,
    models.router,
    changing_models.router,
    health.router,
    incidents.router,
    kpis.router,
    audit.router,
    settings_page.router,
]
"""The API first, then the pages in the order of the navigation."""
