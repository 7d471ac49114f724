"""All routers of the pages, for :func:`dentwatch.serving.api.create_app`."""

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
"""In the order of the navigation."""
