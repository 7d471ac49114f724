"""The search for a better model: networks × input sizes × hyper-parameters, judged by cross-validation.

- :mod:`.search_settings` says what is searched and for how long;
- :mod:`.speed` keeps networks out that would be too slow;
- :mod:`.trial` is one trial, :mod:`.study` all of them and their records;
- :mod:`.winner` trains the best on everything but the frozen test set.
"""
