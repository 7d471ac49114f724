"""The way from the gate to champion: seen by nobody in the shadow, then by some as canary, then by all.

Each stage ends after so many photos, and has its own rule that stops the rollout: in the shadow, marking far more or
less than the champion; as canary, being slow and a precision by verdicts that is surely lower; in both, failing on
photos or not loading at all. Serving follows the stage that is on record here.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from scipy.stats import fisher_exact
from sqlalchemy import Connection

from dentwatch.loop import traffic_figures
from dentwatch.loop.steps import Again, Ask, Bench, Done, Step
from dentwatch.loop.traffic_figures import FEWEST, TrafficFigures
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import SYSTEM
from dentwatch.records import rollouts
from dentwatch.records.registry import Registry
from dentwatch.records.rollouts import Rollout, Stage
from dentwatch.serving.models import resolve
from dentwatch.settings import LoopSettings

SLACK = 1.5
"""How much slower than the gate allows it may be in traffic, where other work makes times uneven."""

SLACK_LATER = 3.0
"""The same where the two served at different times, under different load."""

_LOOK = timedelta(seconds=5)
_MOST_BOXES, _FEWEST_BOXES = 5.0, 0.2  # of the champion's per photo
_FEWEST_FAILED, _MOST_FAILED = 3, 0.001  # photos, and share of them, up to which failures stop nothing
_BY_CHANCE = 0.01  # how likely so many more failures than the model before has must be, to be put down to chance
_RARE = 0.2  # boxes per photo that a champion marks at least, for fewer to say anything


def roll_out(bench: Bench, step: Step) -> Done | Again:
    """Take the model version ``step.subject`` one stage further where its stage is over; promote it in the end."""
    registry = Registry(bench.settings)
    version = registry.get(step.subject)
    model, limits, now = version.reference, bench.settings.loop, datetime.now(UTC)
    if version.is_champion:  # promoted before this process, or by a person
        return _crowned(bench, step, model, (step.result or {}).get("champion"))
    champion = resolve(None, bench.settings).name
    with bench.database.writing() as connection:
        first: Stage = "approval" if limits.needs_approval else "shadow"
        rollout = rollouts.begin(connection, model, first, limits.canary_share)
    with bench.database.reading() as connection:  # counting takes a while, and nobody else is to wait for it
        found = {**_seen(connection, rollout, champion), "model": step.subject, "stage": rollout.stage}
    with bench.database.writing() as connection:
        rollout = rollouts.existing(connection, model)  # with what a person has said meanwhile
        why = _why_not(rollout, found, limits, now, challenges="challenger" in version.aliases)
        if why is None and not _is_over(rollout, limits, found):
            return Again(_LOOK, {**found, "text": _standing(rollout, limits, found)})
        on = rollouts.move(connection, model, _next(rollout) if why is None else "rejected", why)
        if why is not None:
            _tell(connection, step, f"{model} was not rolled out. {why}")
        elif on.stage != "champion":
            _tell(connection, step, _begun(model, on))
            return Again(timedelta(0), {**found, "stage": on.stage, "text": _begun(model, on)})
    if why is not None:
        registry.dismiss(version.number, why, SYSTEM)
        return Done({**found, "stage": "rejected", "text": f"{model} was not rolled out. {why}"})
    registry.promote(version.number, f"passed gate, shadow and canary ({step.key})", SYSTEM)
    return _crowned(bench, step, model, champion)


def _next(rollout: Rollout) -> Stage:
    following: dict[Stage, Stage] = {"approval": "shadow", "shadow": "canary"}
    return following.get(rollout.stage, "champion")


def _crowned(bench: Bench, step: Step, model: str, before: str | None) -> Done:
    """It is champion: guarded from now on, and the incident that called for it is verified to be over."""
    text = f"{model} is the champion."
    with bench.database.writing() as connection:
        if rollouts.begin(connection, model, "champion", 1.0).stage != "champion":  # a person was quicker
            rollouts.move(connection, model, "champion")
        _tell(connection, step, text)
    then = [Ask("guard", step.subject, {**step.cause, "before": before})]
    if (incident := step.cause.get("incident")) is not None:
        then.append(Ask("verify", incident, step.cause, f"verify/{incident}/{step.subject}"))
    return Done({**(step.result or {}), "model": step.subject, "stage": "champion", "text": text}, tuple(then))


def _seen(connection: Connection, rollout: Rollout, champion: str) -> dict[str, Any]:
    """The figures of the stage, of challenger and champion. In the shadow times say nothing: it waits for others."""
    since = rollout.stage_since
    found: dict[str, Any] = {"champion": champion, "photos": 0}
    if rollout.stage in ("shadow", "canary"):
        found |= traffic_figures.failures(connection, rollout.model, champion, since, (since, None))
    if rollout.stage == "shadow":
        photos, boxes, before_it = traffic_figures.shadowed(connection, rollout.model, since)
        of_before = traffic_figures.count(connection, champion, since)
        return {**found, "photos": photos, "photos_before": of_before, "boxes": boxes, "boxes_before": before_it}
    if rollout.stage == "canary":
        before = traffic_figures.answered(connection, champion, since)
        seen = traffic_figures.answered(connection, rollout.model, since)
        return {**found, **side_by_side(seen, before)}
    return found


def side_by_side(seen: TrafficFigures, before: TrafficFigures) -> dict[str, Any]:
    """The figures of a model and of the one before as JSON values; a precision with the ends of its interval."""
    precisions = {"precision": seen.precision, "precision_before": before.precision}
    return {
        "photos": seen.photos,
        "photos_before": before.photos,
        "p95_ms": seen.p95_ms,
        "p95_ms_before": before.p95_ms,
        **{name: None if one is None else [one.low, one.value, one.high] for name, one in precisions.items()},
    }


def _why_not(
    rollout: Rollout, found: dict[str, Any], limits: LoopSettings, now: datetime, *, challenges: bool
) -> str | None:
    """Why it must not go on; None while nothing speaks against it."""
    if rollout.stage == "rejected":  # by a process that was killed before it could say so
        return rollout.reason
    if rollout.decision == "vetoed":
        return f"{rollout.decided_by} vetoed it: {rollout.reason}"
    if not challenges:
        return "Another challenger has taken its place."
    if rollout.stage != "approval" and now - rollout.stage_since > timedelta(hours=limits.rollout_hours):
        return f"Only {found['photos']} photos were seen in the {rollout.stage} within {limits.rollout_hours:g} hours."
    return failing(found) or slower(found, limits) or _odd(found) or less_precise(found)


def failing(found: dict[str, Any]) -> str | None:
    """Whether it cannot be loaded, or surely fails on more of its photos than the model before.

    Surely: by Fisher's exact test. A model before that has hardly answered anything is taken to answer
    :data:`~dentwatch.loop.traffic_figures.FEWEST` photos.
    """
    if found.get("unloadable"):
        return f"It cannot be loaded: {found['unloadable']}"
    (failed, seen), (before, seen_before) = (_failed(found, when) for when in ("", "_before"))
    if failed < _FEWEST_FAILED or failed <= _MOST_FAILED * seen:
        return None
    both = [[failed, seen - failed], [before, max(seen_before, FEWEST) - before]]
    if float(fisher_exact(both, alternative="greater").pvalue) >= _BY_CHANCE:
        return None
    return f"It failed on {failed} of {seen} photos ({before} of {seen_before} before): {found['failure']}"


def _failed(found: dict[str, Any], when: str) -> tuple[int, int]:
    """How many photos a model failed on, of how many that it looked at."""
    failed = found.get(f"failed{when}", 0)
    return failed, failed + found.get(f"photos{when}", 0)


def slower(found: dict[str, Any], limits: LoopSettings, slack: float = SLACK) -> str | None:
    """Whether it is slow beside the model before, from the figures of its stage."""
    after, before = found.get("p95_ms"), found.get("p95_ms_before")
    most = slack * limits.latency_ratio
    if after is None or before is None or after <= most * before:
        return None
    return f"95 of 100 photos take up to {after:.0f} ms ({before:.0f} before, {most:.1f} times that is allowed)."


def less_precise(found: dict[str, Any]) -> str | None:
    """Whether verdicts say that surely less of what it marks is right: the 95 % intervals do not touch."""
    after, before = found.get("precision"), found.get("precision_before")
    if after is None or before is None or after[2] >= before[0]:
        return None
    return f"By verdicts {100 * after[1]:.0f} % of what it marks is right ({100 * before[1]:.0f} % before)."


def _odd(found: dict[str, Any]) -> str | None:
    """Whether it marks far more or far less than what was answered for the same photos."""
    boxes, before = found.get("boxes"), found.get("boxes_before")
    if boxes is None or before is None or found["photos"] < FEWEST or before < _RARE:
        return None
    if _FEWEST_BOXES * before <= boxes <= _MOST_BOXES * before:
        return None
    return f"It marks {boxes:.2f} boxes per photo where {before:.2f} were answered."


def _is_over(rollout: Rollout, limits: LoopSettings, found: dict[str, Any]) -> bool:
    if rollout.stage == "champion":  # killed before the promotion
        return True
    if rollout.stage == "approval":
        return rollout.decision == "approved"
    return bool(found["photos"] >= (limits.shadow_photos if rollout.stage == "shadow" else limits.canary_photos))


def _standing(rollout: Rollout, limits: LoopSettings, found: dict[str, Any]) -> str:
    if rollout.stage == "approval":
        return f"{rollout.model} waits for a person: `dentwatch models approve` or `veto`."
    wanted = limits.shadow_photos if rollout.stage == "shadow" else limits.canary_photos
    return f"{rollout.model} in the {rollout.stage}: {found['photos']} of {wanted} photos."


def _begun(model: str, rollout: Rollout) -> str:
    if rollout.stage == "shadow":
        return f"{model} sees every photo in the shadow."
    return f"{model} answers {100 * rollout.share:.0f} % of the vehicles as canary."


def _tell(connection: Connection, step: Step, text: str) -> None:
    if (incident := step.cause.get("incident")) is not None:
        incidents.note_once(connection, incident, SYSTEM, text)
