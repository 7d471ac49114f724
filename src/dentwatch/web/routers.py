"""All routers of the pages, for :func:`dentwatch.serving.api.create_app`."""

from dentwatch.web import assets_routes, inspect, inspections, live, overview, signing_in

ROUTERS = [assets_routes.router, signing_in.router, live.router, overview.router, inspect.router, inspections.router]
"""In the order of the navigation."""
