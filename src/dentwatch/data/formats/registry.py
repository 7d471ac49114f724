"""The annotation formats that are read, by name; adding one is a file and a line here."""

from dentwatch.data.formats.coco import Coco
from dentwatch.data.formats.contract import Format
from dentwatch.data.formats.cvat import Cvat
from dentwatch.data.formats.label_studio import LabelStudio
from dentwatch.data.formats.voc import PascalVoc
from dentwatch.data.formats.yolo import Yolo

FORMATS: dict[str, Format] = {form.name: form for form in (Coco(), Yolo(), PascalVoc(), LabelStudio(), Cvat())}
