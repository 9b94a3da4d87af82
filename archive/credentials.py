"""Tell in a sentence that a store lacks its credentials, or does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

AMAZON = frozenset(["NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"])
GOOGLE = frozenset(["DefaultCredentialsError", "RefreshError"])
CLIENTS = frozenset(["aiobotocore", "aiohttp", "botocore", "gcsfs", "google", "s3fs"])
"""Packages whose exceptions come from a store, and need not be OSError."""


def store_problem(error: BaseException) -> str | None:
    """Return a sentence with the cure if an exception, or a cause of it, is that a store cannot be used from here.

    Exceptions are known by the names of their classes and packages: the packages of stores need not be installed.
    """
    cause: BaseException | None = error
    while cause is not None:
        name, text = type(cause).__name__, " ".join(str(cause).split())[:200]
        if name in AMAZON:
            return (
                f"no credentials for s3:// ({text}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for public "
                "data set FSSPEC_S3_ANON=true"
            )
        if name in GOOGLE or "Anonymous caller" in text:
            return (
                f"no credentials for gs:// ({text}): set GOOGLE_APPLICATION_CREDENTIALS to the file of a key, or run "
                "`gcloud auth application-default login`"
            )
        if type(cause).__module__.partition(".")[0] in CLIENTS:
            return f"a store cannot be used ({name}: {text}): check the address, the network and the credentials"
        cause = cause.__cause__ or cause.__context__
    return None


@contextmanager
def store_problems_as(kind: type[Exception]) -> Iterator[None]:
    """Raise an exception of this type, with one sentence, where a store cannot be used from here."""
    try:
        yield
    except Exception as error:
        if problem := store_problem(error):
            raise kind(problem) from error
        raise
