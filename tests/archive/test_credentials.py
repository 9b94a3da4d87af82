"""A store that cannot be used is told in a sentence with the cure."""

from __future__ import annotations

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from archive.credentials import store_problem


def raised(error: Exception) -> Exception:
    """Return an error that this one caused."""
    try:
        raise RuntimeError("a stage failed") from error
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), "set AWS_ACCESS_KEY_ID"),
        (EndpointConnectionError(endpoint_url="https://bucket.s3.amazonaws.com"), "check the address, the network and the credentials"),
    ],
)
def test_the_cure_is_told(error: Exception, said: str) -> None:
    for one in (error, raised(error)):
        told = store_problem(one)
        assert told is not None
        assert said in told
        assert "\n" not in told


def test_other_errors_are_not_those_of_a_store() -> None:
    assert store_problem(raised(OSError("the disk is full"))) is None
