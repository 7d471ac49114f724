"""Consents travel from photos to the model that learnt from them."""

import pytest
import tiny_model

from dentwatch.records.consents import carried, in_words, unstated
from dentwatch.records.model_bundle import NOT_STATED, Rights


def test_a_model_names_the_consents_of_its_photos_and_how_many_state_none() -> None:
    consents = {"": 40, "owner agreed": 1200, "auction terms": 7}
    assert carried(consents) == consents
    assert in_words(carried(consents)) == "owner agreed 1,200, auction terms 7, none stated 40"


def test_where_each_photo_has_a_consent_of_its_own_the_model_is_no_list_of_them() -> None:
    consents = {"": 3, "house rules": 50, **{f"form {number}": 1 for number in range(5000)}}
    found = carried(consents)
    assert len(found) == 22
    assert (found[""], found["house rules"], sum(found.values())) == (3, 50, 5053)
    assert found["others"] == 5000 - 19


@pytest.mark.parametrize(
    ("consents", "licence", "said"),
    [
        ({"owner agreed": 5}, "CC0-1.0", None),
        ({"owner agreed": 5, "": 0}, "CC0-1.0", None),
        ({"owner agreed": 5, "": 2}, "CC0-1.0", "2 of 7 photos of its dataset version state no consent."),
        ({"owner agreed": 5}, NOT_STATED, "Photos of its dataset version state no licence."),
        ({}, "CC0-1.0", "It does not say whether the photos that it learnt from were consented to."),
    ],
)
def test_what_is_missing_is_said(consents: dict[str, int], licence: str, said: str | None) -> None:
    rights = (Rights(name="photos and annotations", licence=licence),)
    assert unstated(tiny_model.spec(consents=consents, rights=rights)) == said
