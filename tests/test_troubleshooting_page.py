"""The messages of docs/troubleshooting.md are those of the code."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
MESSAGES = re.findall(r"^```text\n(.*)\n```$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def literals() -> str:
    """The code of all packages, with the parts of strings joined and … in place of what varies."""
    text = "\n".join(file.read_text() for file in sorted(REPOSITORY.glob("packages/*/src/**/*.py")))
    joined = re.sub(r'"\s*\n\s*f?"', "", text).replace('\\"', '"')
    return re.sub(r"\{[^{}]*\}", "…", joined)


def test_page_has_the_messages_that_users_meet_most() -> None:
    assert len(MESSAGES) >= 25
    assert len(set(MESSAGES)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_message_is_in_the_code(message: str, literals: str) -> None:
    assert message in literals


def test_message_that_no_code_has_is_found(literals: str) -> None:
    assert "task=…: unknown task '…', or not" not in literals
