"""Compare what was rejected or not found with what the user accepts."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.audit import Audit
from pipeline.options import RunOptions


def too_large_shares(audited: Audit, options: RunOptions) -> Iterator[str]:
    """Yield a sentence for each share of the whole output that is larger than `--max_reject_share` or `--max_missing_share`."""
    rejects = audited.total("rejects")
    posts = audited.total("rows") + rejects
    keys, missing = sum(audited.images.values()), audited.images["missing"]
    if rejects > options.max_reject_share * posts:
        yield (
            f"{rejects:,} of {posts:,} posts were rejected ({rejects / posts:.1%}), more than --max_reject_share "
            f"{options.max_reject_share:g}: rejects/ has the reasons"
        )
    if missing > options.max_missing_share * keys:
        yield (
            f"{missing:,} of {keys:,} keys of pictures were not found ({missing / keys:.1%}), more than --max_missing_share "
            f"{options.max_missing_share:g}: check --images"
        )
