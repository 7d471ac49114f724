"""Small lines without axes, as the path of an SVG."""

from collections.abc import Mapping

WIDTH, HEIGHT = 100.0, 30.0
_MARGIN = 2.0


def path(values: Mapping[int, float], places: int) -> str:
    """The path of a line through ``values`` by their place, 0 to ``places`` − 1, in a box of 100 × 30.

    Places without a value are bridged; fewer than two values make no line, and the text is empty.
    """
    if len(values) < 2 or places < 2:
        return ""
    low, high = min(values.values()), max(values.values())
    span = high - low or 1.0
    points = [
        (
            WIDTH * place / (places - 1),
            HEIGHT - _MARGIN - (HEIGHT - 2 * _MARGIN) * ((value - low) / span if high > low else 0.5),
        )
        for place, value in sorted(values.items())
    ]
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
