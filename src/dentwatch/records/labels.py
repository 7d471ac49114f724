"""The damage labels that Dentwatch knows.

``scratch`` and ``dent`` are what the product is judged by; the others are annotated in many data sets and are kept so
that training can treat them as what they are instead of as background.
"""

LABELS: tuple[str, ...] = ("scratch", "dent", "crack", "glass_shatter", "lamp_broken", "tire_flat", "other")
HEADLINE_LABELS: tuple[str, ...] = ("scratch", "dent")
