"""The annotated photos that a model is held against while it serves: those it was validated on, or the newest."""

from dentwatch.errors import DatasetError, MonitoringError
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.settings import Settings


def validation_dataset(settings: Settings, bundle: ModelBundle) -> DatasetVersion:
    """The dataset version that ``bundle`` was validated on; where that is not at hand, the newest one.

    The starter model was trained elsewhere: it has seen no photo of any dataset version here, so val photos of the
    newest one judge it as well. Raises :class:`MonitoringError` where there is none.
    """
    store = DatasetStore(settings.dataset_store_url)
    for ref in (bundle.spec.dataset_version, "latest"):
        try:
            return store.get(ref)
        except DatasetError:
            continue
    raise MonitoringError(
        f"The harm is not known: no annotated photos are at hand that {bundle.name} could be held against.",
        "Ingest annotated photos (`dentwatch data ingest`), or review drifted ones: verdicts give the true recall.",
    )
