"""The annotation formats that are read, by name; adding one is a file and a line here."""

from dentwatch.data.formats.coco import Coco
from dentwatch.data.formats.contract import Format

FORMATS: dict[str, Format] = {form.name: form for form in (Coco(),)}
