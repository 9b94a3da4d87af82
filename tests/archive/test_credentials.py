"""A store that cannot be used is told in a sentence with the cure."""

from __future__ import annotations

import pytest

from archive.credentials import store_problem


def of_client(name: str, text: str) -> Exception:
    """Return an exception as the client of Amazon's stores raises it; it is no OSError."""
    return type(name, (Exception,), {"__module__": "botocore.exceptions"})(text)


def raised(error: Exception) -> Exception:
    """Return an error that this one caused."""
    try:
        raise RuntimeError("a stage failed") from error
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (of_client("NoCredentialsError", "Unable to locate credentials"), "set AWS_ACCESS_KEY_ID"),
        (of_client("EndpointConnectionError", "Could not connect\nto it"), "check the address, the network and the credentials"),
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
