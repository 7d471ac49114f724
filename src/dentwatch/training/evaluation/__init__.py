"""How good a model is: what was found, missed and made up, how sure that is, and the pages that show it.

Detections are judged against annotations; nothing here needs torch. In the order of the work:

- :mod:`.evaluator` lets a model look at a split the way serving does, :mod:`.latency` times it;
- :mod:`.matching` says which detection found which damage, :mod:`.mistakes` what went wrong otherwise;
- :mod:`.metrics` is the COCO protocol, :mod:`.curves` and :mod:`.operating` what holds at which threshold;
- :mod:`.figures` and :mod:`.intervals` give each figure its interval, by vehicle;
- :mod:`.summary` puts all that into a :mod:`.result`, :mod:`.ledger` remembers who looked at test;
- :mod:`.report` and :mod:`.comparison` are the pages, with :mod:`.charts`, :mod:`.galleries` and :mod:`.pictures`.
"""
