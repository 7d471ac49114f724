"""Taking in a batch of annotated photos: judged first, then made part of a new dataset version, or quarantined.

The step has two halves. The first judges the batch and leaves the checks, and which dataset version was the latest, on
record; the second takes the photos in. An ingest that is killed has changed nothing or everything, and the same photos
once more change nothing, so that the diff against the version on record is the same however often it is done.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.ingest import Ingest
from dentwatch.errors import SourceError
from dentwatch.loop import batch_alert, journal, restraint
from dentwatch.loop.batch_agreement import check_agreement
from dentwatch.loop.batch_checks import (
    check_boxes,
    check_copies,
    check_damaged,
    check_files,
    check_labels,
    check_pictures,
)
from dentwatch.loop.batch_content import Content, open_batch
from dentwatch.loop.batch_difference import difference, unseen_photos
from dentwatch.loop.batch_report import write_report
from dentwatch.loop.batch_states import REJECT, RELEASE
from dentwatch.loop.batch_survey import background, survey
from dentwatch.loop.steps import Again, Ask, Bench, Done, Step
from dentwatch.records.check import Check
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.serving.models import resolve

_MOST_LISTED = 200  # of what is set aside; `dentwatch data set-aside` has it all


def take_in(bench: Bench, step: Step) -> Done | Again:
    """Take in the batch ``step.subject``; retrain where enough in it is new.

    The result's ``state`` is ``taken``, ``quarantined``, ``rejected``, ``unreadable`` or ``gone``. Raises
    :class:`~dentwatch.errors.DataError` where the photo store or the dataset store cannot be written.
    """
    decision = step.cause.get("decision")
    if decision == REJECT:
        said = f"{step.cause['actor']} does not want it: {step.cause['reason']}"
        return _ended(bench, step, "rejected", said, {})
    try:
        content = open_batch(step.subject, bench.settings, bench.database)
        if content is None:
            return _ended(bench, step, "gone", "It was changed or removed before it was taken in.", {})
        if step.result is None:
            return _judged(bench, step, content, released=decision == RELEASE)
        return _taken(bench, step, content, step.result)
    except SourceError as error:
        if step.attempts < journal.MOST_ATTEMPTS and "://" in bench.settings.inbox_url:
            raise  # the network may be to blame: the step is tried again
        return _ended(bench, step, "unreadable", str(error), {})


def judge(bench: Bench, content: Content) -> list[Check]:
    """Every check of a batch. Raises :class:`SourceError` when its annotations cannot be read."""
    batch = survey(content.photos(), bench.settings)
    before = background(batch, bench.settings)
    labelling = batch.labelling
    return [
        check_files(batch),
        check_pictures(batch),
        check_damaged(labelling, before.labelling),
        *check_labels(labelling, before.labelling),
        *check_boxes(labelling, before.labelling),
        check_copies(batch, before, bench.settings.data.near_duplicate_distance),
        *check_agreement(batch, before, bench.settings, bench.report),
    ]


def _judged(bench: Bench, step: Step, content: Content, *, released: bool) -> Done | Again:
    checks = judge(bench, content)
    failed = [check for check in checks if not check.passed]
    found = {"checks": [check.as_plain() for check in checks]}
    if failed and not released:
        return _ended(bench, step, "quarantined", " ".join(check.text for check in failed), found)
    latest = DatasetStore(bench.settings.dataset_store_url).latest()
    return Again(timedelta(0), {**found, "base": latest.id if latest else None})


def _taken(bench: Bench, step: Step, content: Content, judged: Mapping[str, Any]) -> Done:
    seen: set[tuple[str, str]] = set()

    def noted() -> Iterator[IncomingPhoto]:
        for photo in content.photos():
            seen.add((photo.source, photo.name))
            bench.report("Taking in photos", min(len(seen), content.count), content.count)
            yield photo

    Ingest(bench.settings, frozen_test=bench.settings.loop.frozen_test).run(noted())
    store = DatasetStore(bench.settings.dataset_store_url)
    version = store.latest()
    result = {**judged, **_set_aside(store, seen)}
    if version is None:
        return _ended(bench, step, "taken", "None of its photos could be used.", result)
    base = store.get(judged["base"]) if judged["base"] else None
    diff = difference(base, version)
    result |= {"version": version.id, "diff": diff}
    said = f"{diff['photos_added']} photos are new and {diff['photos_changed']} are changed."
    why_not = _why_not_retrained(bench, step, base, version)
    if why_not is not None:
        return _ended(bench, step, "taken", f"{said} {why_not}", result)
    retraining = Ask("retrain", f"dataset/{version.id}", {"batch": step.subject, "dataset": version.id})
    return _ended(bench, step, "taken", f"{said} The model is retrained.", result, retraining)


def _why_not_retrained(bench: Bench, step: Step, base: DatasetVersion | None, version: DatasetVersion) -> str | None:
    """Why the batch does not start a retraining, for people; None where it does."""
    if base is not None and base.id == version.id:
        return "Nothing is to be learnt from it."
    store = DatasetStore(bench.settings.dataset_store_url)
    limits = bench.settings.loop
    unseen = unseen_photos(store, resolve(None, bench.settings).spec.dataset_version, base, version)
    if unseen < limits.new_photos:
        return f"The model has not seen {unseen} of the train photos; from {limits.new_photos} on it is retrained."
    with bench.database.reading() as connection:
        why_not = restraint.held_back_for_photos(connection, limits, step.created_at)
    return why_not and f"{why_not} The weekly retraining takes these photos along."


def _set_aside(store: DatasetStore, seen: Collection[tuple[str, str]]) -> dict[str, Any]:
    """What of the photos ``seen`` (source, name) is set aside now, contradictions apart."""
    found = [entry for entry in store.set_aside() if (entry.source, entry.name) in seen]
    listed = [
        {"name": entry.name, "reason": entry.reason, "detail": entry.detail, "photo_id": entry.photo_id}
        for entry in found[:_MOST_LISTED]
    ]
    return {
        "set_aside": [entry for entry in listed if entry["reason"] != "contradiction"],
        "contradictions": [entry for entry in listed if entry["reason"] == "contradiction"],
        "set_aside_by_reason": dict(Counter(entry.reason for entry in found)),
    }


def _ended(bench: Bench, step: Step, state: str, text: str, result: Mapping[str, Any], *then: Ask) -> Done:
    """The batch's end: reported beside the inbox, and told to people where they have to decide or have done so."""
    document = {"state": state, "text": text, **result}
    document["report"] = write_report(bench.settings, step.subject, document)
    with bench.database.writing() as connection:
        if state == "quarantined":
            batch_alert.tell(connection, step.subject, text)
        elif "decision" in step.cause:
            batch_alert.tell(connection, step.subject, text, decided=True)
    return Done(document, then)
