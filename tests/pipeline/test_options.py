"""What is made of the definitions of the options."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.definitions import UsageError, table_of
from pipeline.options import OPTIONS, parse

README = Path(__file__).parent.parent.parent / "README.md"
REQUIRED = ["--posts=a.jsonl", "--output=out"]


def test_the_table_of_the_readme_is_that_of_the_options() -> None:
    assert f"<!-- options -->\n{table_of(OPTIONS)}\n<!-- /options -->" in README.read_text()


def test_the_smallest_and_the_largest_value_are_allowed_and_no_other_beyond() -> None:
    for option in OPTIONS:
        for bound, beyond in ((option.least, -1), (option.most, 1)):
            if bound is not None:
                options, _ = parse([*REQUIRED, f"--{option.name}={bound}"])
                assert getattr(options, option.name) == bound
                with pytest.raises(UsageError, match=f"^--{option.name} must be .*{bound}"):
                    parse([*REQUIRED, f"--{option.name}={bound + beyond}"])


def test_resume_compares_these_options() -> None:
    limits = ["max_line_bytes", "max_image_bytes", "max_image_pixels", "decode_timeout_s"]
    fields = ["preset", "each", "id", "text", "images_field", "alt", "markup", "where", "limit"]
    assert [option.name for option in OPTIONS if option.changes_rows] == [*fields, "model", "detector", "ocr", "precision", *limits]
