"""Pages of results agree with the recorded training curves beside them."""

import json
import re
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
TEXT = "\n".join(page.read_text() for page in sorted(RESULTS.glob("*.md")))
CURVES = {
    file.stem: recorded["curve"]
    for file in sorted((RESULTS / "data").glob("*.json"))
    if isinstance(recorded := json.loads(file.read_text()), dict) and "curve" in recorded
}
OTHER_MEASURE = {
    "anymal_512_staggered_42_cpu": "the page gives the mean over epochs 800 to 950",
    "anymal_original_42_h100": "the curve was kept up to 59 M of 98 M steps",
    "crazyflie_2_h200": "the curve was kept up to 63.5 M of 65.5 M steps",
    "crazyflie_42_h200": "the curve was kept up to 52.3 M of 65.5 M steps",
    "target_following_42_h200": "the page gives the fraction of successes",
    "target_following_64px_cpu": "the page gives the fraction of successes",
}


@pytest.mark.parametrize("name", sorted(CURVES.keys() - OTHER_MEASURE.keys()))
def test_end_of_a_recorded_training_is_on_a_page(name: str) -> None:
    end = CURVES[name][-1]["reward"]
    shown = "|".join(re.escape(f"{end:,.{digits}f}") for digits in range(3))
    assert re.search(rf"(?<![\d.,])({shown})(?!\d|[.,]\d)", TEXT), f"no page gives {end}, the end of {name}"
