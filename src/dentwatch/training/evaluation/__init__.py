"""How good a model is: what was found, missed and made up, with intervals, and the report that shows it.

Everything here judges :class:`~dentwatch.records.detections.Detection` against
:class:`~dentwatch.records.annotations.Annotation`; nothing needs torch.

- :mod:`.metrics`: average precision by the COCO protocol;
- :mod:`.matching`: which detection found which damage;
- :mod:`.curves`, :mod:`.operating`: precision, recall, false boxes and the operating threshold;
- :mod:`.intervals`: bootstrap by vehicle;
- :mod:`.evaluator`: a model over a split; :mod:`.report`, :mod:`.comparison`: what people see.
"""
