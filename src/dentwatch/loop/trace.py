"""The chain behind anything: from an inspection to model, run, dataset version and commit, and from each to the others.

What something came of stands under ``from``, what came of it under ``led to``.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from dentwatch.errors import DatasetError, LoopError, ModelError
from dentwatch.loop import journal
from dentwatch.loop.steps import Step
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import Incident
from dentwatch.records import audit, inspections, model_failures, tables
from dentwatch.records.database import Database
from dentwatch.records.dataset_info import DatasetInfo
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import ModelSpec
from dentwatch.records.model_versions import ModelVersion
from dentwatch.records.registry import Registry
from dentwatch.records.tracking import has_store
from dentwatch.serving.models import STARTER, starter
from dentwatch.settings import Settings

_MOST = 20  # of what came of one thing; more are counted


@dataclass(frozen=True, slots=True)
class Link:
    """One thing in the chain: ``facts`` are JSON values, ``sources`` what it came of, ``results`` what came of it."""

    kind: str
    name: str
    facts: dict[str, Any]
    sources: tuple["Link", ...] = ()
    results: tuple["Link", ...] = ()

    def as_document(self) -> dict[str, Any]:
        """The chain as a JSON document."""
        return {
            "kind": self.kind,
            "name": self.name,
            "facts": self.facts,
            "from": [one.as_document() for one in self.sources],
            "led_to": [one.as_document() for one in self.results],
        }


def trace(settings: Settings, database: Database, ref: str) -> Link:
    """The chain around what ``ref`` names: an inspection, an incident, a model version, or a dataset version.

    Ids may be cut to their first 8 letters (a dataset version's to 6); ``champion``, ``challenger``, a number and
    ``dentwatch/3`` are models. Raises :class:`LoopError` where nothing is called so.
    """
    with database.reading() as connection:
        tracer = _Tracer(settings, connection)
        for find in (tracer.inspection, tracer.incident, tracer.model, tracer.dataset):
            if (found := find(ref)) is not None:
                return found
    raise LoopError(
        f"Nothing is called {ref!r}: no inspection, incident, model version or dataset version.",
        "Give an id of 8 letters or more, `champion`, or a model's number (`dentwatch models list`).",
    )


class _Tracer:
    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._connection = connection
        self._datasets = DatasetStore(settings.dataset_store_url)
        self._models = Registry(settings).versions() if has_store(settings) else []
        self._registry_name = settings.tracking.model_name

    # What a name may mean

    def inspection(self, ref: str) -> Link | None:
        rows = tables.inspections
        found = self._connection.execute(select(rows.c.id).where(rows.c.id.startswith(ref)).limit(2)).all()
        kept = inspections.find(self._connection, found[0].id) if len(found) == 1 and len(ref) >= 8 else None
        if kept is None:
            return None
        verdicts = tables.verdicts
        said = select(verdicts.c.verdict, func.count()).where(verdicts.c.inspection_id == kept.id)
        photos = tuple(Link("photo", photo.photo_id, {"name": photo.name}) for photo in kept.photos)
        shown = [one for one in self._incidents() if kept.id in _shown_in(one)]
        facts = {
            "created_at": kept.created_at.isoformat(),
            "vehicle": kept.vehicle_id,
            "channel": kept.channel,
            "status": kept.status,
            "damages": kept.damages,
            "verdicts": {row[0]: row[1] for row in self._connection.execute(said.group_by(verdicts.c.verdict))},
            "failures": [asdict(one) for one in model_failures.of_inspection(self._connection, kept.id)],
            "audit": self._audit(kept.id),
        }
        return Link("inspection", kept.id, facts, (*photos, *self._origin(kept.model)), tuple(map(self._brief, shown)))

    def incident(self, ref: str) -> Link | None:
        incident = incidents.find(self._connection, ref)
        if incident is None:
            return None
        steps = sorted(journal.steps(self._connection, incident=incident.id), key=lambda step: step.number)
        made = [one for one in self._models if one.spec.adapted_to and one.spec.adapted_to.incident == incident.id]
        facts = {
            **self._brief(incident).facts,
            "summary": incident.summary,
            "timeline": [
                {"at": event.at.isoformat(), "by": event.actor, "what": event.kind, "text": event.text}
                for event in incidents.timeline(self._connection, incident.id)
            ],
            "audit": self._audit(incident.id),
        }
        results = (*(_step(step) for step in steps), *(self._model(one, deep=False) for one in made))
        return Link("incident", incident.id, facts, self._origin(incident.model), results)

    def model(self, ref: str) -> Link | None:
        if ref == STARTER:
            return self._starter()
        text = ref.removeprefix(f"{self._registry_name}/")
        for one in self._models:
            if text in (str(one.number), *one.aliases) or (len(text) >= 8 and one.digest.startswith(text)):
                return self._model(one, deep=True)
        return None

    def dataset(self, ref: str) -> Link | None:
        try:
            info = self._datasets.get(ref).info
        except DatasetError:
            return None
        trained = tuple(self._model(one, deep=False) for one in self._models if one.spec.dataset_version == info.id)
        return Link("dataset", info.id, _dataset_facts(info), self._batches(info), trained)

    # Links

    def _origin(self, model: str | None) -> tuple[Link, ...]:
        """The model that is called so, with all that it came of."""
        if model is None:
            return ()
        if model.startswith(f"{STARTER}/"):
            return (self._starter(),)
        found = next((one for one in self._models if one.reference == model), None)
        return (Link("model", model, {}),) if found is None else (self._model(found, deep=True, forwards=False),)

    def _starter(self) -> Link:
        try:
            bundle = starter()
        except ModelError as error:
            return Link("model", STARTER, {"problem": str(error)})
        return Link("model", bundle.name, _model_facts(bundle.spec), self._made_from(bundle.spec))

    def _model(self, version: ModelVersion, deep: bool, forwards: bool = True) -> Link:
        facts = {"digest": version.digest, "aliases": list(version.aliases), **_model_facts(version.spec)}
        if not deep:
            return Link("model", version.reference, facts)
        results: tuple[Link, ...] = ()
        if forwards:
            facts |= {"inspections": self._answered(version.reference), **self._failures(version.reference)}
            about = list(journal.steps(self._connection, subject=str(version.number)))
            opened = [one for one in self._incidents() if one.model == version.reference]
            results = (*map(_step, reversed(about)), *map(self._brief, opened[:_MOST]))
        return Link("model", version.reference, facts, self._made_from(version.spec), results)

    def _made_from(self, spec: ModelSpec) -> tuple[Link, ...]:
        links = [Link("run", spec.run_id, {}), Link("commit", spec.commit, {})]
        if (made := self.dataset_of(spec.dataset_version)) is not None:
            links.append(made)
        links += [Link("rights", one.name, {"licence": one.licence, "source": one.source}) for one in spec.rights]
        if spec.adapted_to is not None:
            incident = incidents.find(self._connection, spec.adapted_to.incident)
            links += [self._brief(incident)] if incident is not None else []
        return tuple(link for link in links if link.name)

    def dataset_of(self, version: str) -> Link | None:
        """A dataset version with what it came of; by its id alone where it is not at hand."""
        if not version:
            return None
        try:
            info = self._datasets.get(version).info
        except DatasetError:
            return Link("dataset", version, {})
        return Link("dataset", info.id, _dataset_facts(info), self._batches(info))

    def _batches(self, info: DatasetInfo) -> tuple[Link, ...]:
        """The batches that made it, and the version that it grew from."""
        taken = [
            _step(step)
            for step in journal.steps(self._connection, kind="take-in")
            if (step.result or {}).get("version") == info.id
        ]
        parent = [Link("dataset", info.parent, {})] if info.parent else []
        return (*taken, *parent)

    def _incidents(self) -> Sequence[Incident]:
        return incidents.page(self._connection, limit=1_000)

    def _brief(self, incident: Incident) -> Link:
        facts = {name: getattr(incident, name) for name in ("state", "level", "cause", "slice")}
        facts |= {"since": incident.since.isoformat(), "harm": (incident.harm or {}).get("text")}
        return Link("incident", incident.id, facts)

    def _answered(self, model: str) -> int:
        rows = tables.inspections
        query = select(func.count()).select_from(rows).where(rows.c.model == model, rows.c.status == "done")
        return self._connection.scalar(query) or 0

    def _failures(self, model: str) -> dict[str, Any]:
        """What a model failed at in production, and the last inspections that it failed on."""
        found = model_failures.of(self._connection, model)
        if found.reason is None:
            return {}
        failed_on = model_failures.inspections_of(self._connection, model, _MOST)
        return {"failed_photos": found.photos, "failure": found.reason, "failed_on": failed_on}

    def _audit(self, subject: str) -> list[int]:
        """Numbers of its entries in the audit log."""
        return [entry.number for entry in audit.entries(self._connection, subject=subject, last=_MOST)]


def _shown_in(incident: Incident) -> set[str]:
    """The inspections whose photos an incident shows."""
    found: set[str] = set()
    _collect(incident.evidence, found.add)
    return found


def _collect(value: Any, add: Callable[[str], None]) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("inspection"), str):
            add(value["inspection"])
        for inner in value.values():
            _collect(inner, add)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, add)


def _step(step: Step) -> Link:
    facts = {
        "state": step.state,
        "asked_at": step.created_at.isoformat(),
        "finished_at": step.finished_at.isoformat() if step.finished_at else None,
        "result": step.result,
        "error": step.error,
    }
    return Link("step", step.key, {name: value for name, value in facts.items() if value is not None})


def _model_facts(spec: ModelSpec) -> dict[str, Any]:
    facts: dict[str, Any] = {"detector": spec.kind, "created_at": spec.created_at}
    return facts | {name: spec.metrics[name] for name in ("ap50", "precision", "recall") if name in spec.metrics}


def _dataset_facts(info: DatasetInfo) -> dict[str, Any]:
    return {
        "created": info.created,
        "photos": info.photos,
        "photos_by_split": info.photos_by_split,
        "boxes_by_label": info.boxes_by_label,
        "sources": info.sources,
        "licences": info.licences,
        "consents": info.consents,
    }
