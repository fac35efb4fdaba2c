"""stages/ground/digests.py: what stands in committed tables is to be found again."""

from stages.ground.digests import digest
from stages.study import digests as of_the_study


def test_a_digest_is_that_of_the_json_with_its_keys_in_order() -> None:
    expected = "abf87577020e3542"  # sha256sum of [{"a": "\u00e4", "b": [1, null]}, "x"]
    assert digest({"b": [1, None], "a": "ä"}, "x") == expected
    assert digest({"a": "ä", "b": (1, None)}, "x") == expected


def test_rows_of_the_study_have_its_beginning() -> None:
    assert of_the_study.digest({"b": [1, None], "a": "ä"}, "x") == "abf87577"
