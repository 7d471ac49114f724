"""What challengers said in the shadow, beside what the champion answered."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection
from dentwatch.records.tables import shadow_answers


@dataclass(frozen=True, slots=True)
class ShadowAnswer:
    """What ``model`` says about the photo at ``position`` of an inspection, and the milliseconds that it took."""

    inspection_id: str
    position: int
    model: str
    detections: tuple[Detection, ...]
    infer_ms: float


def keep(connection: Connection, answer: ShadowAnswer) -> None:
    """Keep an answer; one of the same model about the same photo is replaced."""
    rows = shadow_answers.c
    place = {"inspection_id": answer.inspection_id, "position": answer.position, "model": answer.model}
    same = (
        (rows.inspection_id == answer.inspection_id) & (rows.position == answer.position) & (rows.model == answer.model)
    )
    connection.execute(delete(shadow_answers).where(same))
    detections = [_plain(one) for one in answer.detections]
    connection.execute(insert(shadow_answers).values(**place, detections=detections, infer_ms=answer.infer_ms))


def of_inspection(connection: Connection, inspection_id: str) -> list[ShadowAnswer]:
    """What challengers said about an inspection, by photo."""
    rows = shadow_answers.c
    query = select(shadow_answers).where(rows.inspection_id == inspection_id).order_by(rows.position, rows.model)
    return [
        ShadowAnswer(row.inspection_id, row.position, row.model, tuple(map(_detection, row.detections)), row.infer_ms)
        for row in connection.execute(query)
    ]


def _plain(detection: Detection) -> dict[str, Any]:
    box = detection.box
    return {
        "label": detection.label,
        "score": detection.score,
        "x": box.x,
        "y": box.y,
        "width": box.width,
        "height": box.height,
    }


def _detection(plain: dict[str, Any]) -> Detection:
    box = Box(plain["x"], plain["y"], plain["width"], plain["height"])
    return Detection(plain["label"], plain["score"], box)
