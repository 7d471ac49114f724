"""The pictures of the pages: lines on a grid of 24, drawn in the colour of the text."""

from markupsafe import Markup

_PATHS = {
    "arrow-left": "M19 12H5M11 6l-6 6 6 6",
    "arrow-right": "M5 12h14M13 6l6 6-6 6",
    "book": "M5 4h12a2 2 0 0 1 2 2v14H7a2 2 0 0 1-2-2V4zM5 17a2 2 0 0 1 2-2h12M9 8h6",
    "camera": "M4 8h3l2-3h6l2 3h3v11H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
    "chart": "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6",
    "check": "M5 12.5l4.5 4.5L19 7.5",
    "check-circle": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8 12.5l2.8 2.8L16 9.8",
    "cross": "M6 6l12 12M18 6L6 18",
    "data": "M12 10c4.4 0 8-1.3 8-3s-3.6-3-8-3-8 1.3-8 3 3.6 3 8 3zM4 7v10c0 1.7 3.6 3 8 3s8-1.3 8-3V7"
    "M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3",
    "download": "M12 4v11M7 11l5 5 5-5M5 20h14",
    "gear": "M4 7h9M17 7h3M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM4 17h3"
    "M11 17h9M9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
    "home": "M4 11l8-7 8 7M6 9.5V20h12V9.5M10 20v-6h4v6",
    "list": "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
    "menu": "M4 7h16M4 12h16M4 17h16",
    "minus": "M5 12h14",
    "model": "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
    "moon": "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
    "out": "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
    "pdf": "M6 3h8l5 5v13H6zM14 3v5h5M9 13h6M9 17h6",
    "plus": "M12 5v14M5 12h14",
    "pulse": "M3 12h4l3-8 4 16 3-8h4",
    "star": "M12 4l2.5 5.2 5.7.8-4.1 4 1 5.7-5.1-2.7-5.1 2.7 1-5.7-4.1-4 5.7-.8z",
    "sun": "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6L7 7M17 17l1.4 1.4"
    "M18.4 5.6L17 7M7 17l-1.4 1.4",
    "trash": "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
    "undo": "M8 5L4 9l4 4M4 9h10a6 6 0 0 1 0 12h-3",
    "upload": "M12 16V5M7 9l5-5 5 5M5 20h14",
    "warning": "M12 4l9 16H3zM12 10v4.5M12 17.5h.01",
    "zoom": "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM20 20l-4.8-4.8",
}


def icon(name: str) -> Markup:
    """The picture called ``name``, for the page's source; it says nothing to a screen reader."""
    return Markup(
        '<svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">'
        '<path d="{}"/></svg>'
    ).format(_PATHS[name])
