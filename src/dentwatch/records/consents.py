"""Consents to the use of photos, as a model carries them from its dataset version: consent → photos.

An empty name stands for photos that state none.
"""

from collections.abc import Mapping

from dentwatch.records.model_bundle import NOT_STATED, ModelSpec

_NAMED = 20  # consents by name: where each photo has one of its own, a model is no place for the list
_OTHERS = "others"


def carried(consents: Mapping[str, int]) -> dict[str, int]:
    """The consents of a dataset version as a model carries them: the most frequent by name, the rest together."""
    frequent = sorted((name for name in consents if name), key=lambda name: (-consents[name], name))
    named = {name: consents[name] for name in sorted([*frequent[:_NAMED], *([""] if "" in consents else [])])}
    if rest := sum(consents[name] for name in frequent[_NAMED:]):
        named[_OTHERS] = named.get(_OTHERS, 0) + rest
    return named


def in_words(consents: Mapping[str, int]) -> str:
    """How many photos state which consent: ``owner agreed 1,200, none stated 40``."""
    return ", ".join(f"{name or 'none stated'} {count:,}" for name, count in sorted(consents.items(), reverse=True))


def unstated(spec: ModelSpec) -> str | None:
    """What photos that a model learnt from do not state; None where each states a licence and a consent."""
    photos, silent = sum(spec.consents.values()), spec.consents.get("", 0)
    if not photos:
        return "It does not say whether the photos that it learnt from were consented to."
    if silent:
        return f"{silent:,} of {photos:,} photos of its dataset version state no consent."
    if any(one.licence == NOT_STATED for one in spec.rights):
        return "Photos of its dataset version state no licence."
    return None
