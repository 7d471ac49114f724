"""Which model answers: from what a person writes to a bundle."""

from importlib import resources
from pathlib import Path

from dentwatch.errors import ModelError
from dentwatch.records.model_bundle import SPEC_NAME, ModelBundle
from dentwatch.records.tracking import has_store
from dentwatch.settings import Settings

STARTER = "starter"


def resolve(ref: str | None, settings: Settings) -> ModelBundle:
    """The model version that ``ref`` names.

    - ``None``: the registry's champion, or the starter model while there is none;
    - ``"starter"``: the model that comes with the package, also by its whole name (``starter/5c0f3a9b2d17``);
    - a bundle's folder;
    - ``"champion"``, ``"challenger"``, a version number or a version's name: the registry's.

    Raises :class:`ModelError` when there is no such model.
    """
    if ref is None:
        return _champion(settings) or starter()
    if ref == STARTER or ref.startswith(f"{STARTER}/"):
        return _starter_called(ref)
    if Path(ref).is_dir():
        return ModelBundle.load(Path(ref))
    if not has_store(settings):
        raise ModelError(
            f"There is no model {ref!r}: it is no folder, and {settings.home} holds no model registry yet.",
            "Use `starter`, name a folder written by `dentwatch train`, or train a model first.",
        )
    from dentwatch.records import registry

    return registry.resolve(ref, settings)


def starter() -> ModelBundle:
    """The model that comes with the package; raises :class:`ModelError` where the installation lacks it."""
    folder = Path(str(resources.files("dentwatch.starter")))
    if not (folder / SPEC_NAME).is_file():
        raise ModelError(
            "This installation comes without a starter model.", "Name a model with --model, or train one first."
        )
    return ModelBundle.load(folder)


def _starter_called(ref: str) -> ModelBundle:
    found = starter()
    if ref not in (STARTER, found.name):
        raise ModelError(f"The model {ref} is of another installation: here it is {found.name}.", "Name another model.")
    return found


def _champion(settings: Settings) -> ModelBundle | None:
    if not has_store(settings):  # asked first, because opening the registry takes seconds
        return None
    from dentwatch.records import registry

    return registry.champion(settings)
