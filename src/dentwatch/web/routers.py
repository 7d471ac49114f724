"""All routers of the pages, for :func:`dentwatch.serving.api.create_app`."""

from dentwatch.web import assets_routes, audit, inspect, inspections, live, overview, review, settings_page, signing_in

ROUTERS = [
    assets_routes.router,
    signing_in.router,
    live.router,
    overview.router,
    inspect.router,
    inspections.router,
    review.router,
    audit.router,
    settings_page.router,
]
"""In the order of the navigation."""
