"""Pages of results agree with the recorded training curves beside them, and with the figures that link to them."""

import json
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = REPOSITORY / "docs" / "results"
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
def test_final_figure_of_each_recorded_training_is_documented(name: str) -> None:
    end = CURVES[name][-1]["reward"]
    shown = "|".join(re.escape(f"{end:,.{digits}f}".replace("-", "−")) for digits in range(3))
    assert re.search(rf"(?<![\d.,])({shown})(?!\d|[.,]\d)", TEXT), f"no page gives {end}, the end of {name}"


def quoted_figures() -> list[tuple[Path, str, Path]]:
    """Return page, figure and page of results for each link to results whose text begins with a figure."""
    found = []
    for page in (REPOSITORY / "README.md", *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("packages/*/README.md")):
        for figure, target in re.findall(r"\[(\d[\d.,]*\d|\d)[^\]]*\]\(([^)#]*results/\w+\.md)", page.read_text()):
            found.append((page, figure, (page.parent / target).resolve()))
    return found


@pytest.mark.parametrize(
    ("page", "figure", "results"), quoted_figures(), ids=lambda value: getattr(value, "name", value)
)
def test_figure_that_links_to_results_is_on_that_page(page: Path, figure: str, results: Path) -> None:
    assert re.search(rf"(?<![\d.,]){re.escape(figure)}(?!\d|[.,]\d)", results.read_text()), page


def test_index_has_a_line_for_each_page() -> None:
    linked = re.findall(r"^\| \[[^\]]+\]\((\w+\.md)\) \| .+ \|$", (RESULTS / "index.md").read_text(), re.MULTILINE)
    assert sorted(linked) == sorted(page.name for page in RESULTS.glob("*.md") if page.name != "index.md")
