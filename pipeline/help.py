"""What `--help` says before and after the options."""

from __future__ import annotations

HELP = """\
Annotate posts, read together with their pictures, with named entities, and write Parquet.

  python run_pipeline.py --posts 'archive/posts-*.jsonl.gz' --images 'archive/images-*.tar' --output out/today

Posts are files as their source gives them: lines of JSON, a JSON document, tweets.js, CSV or Parquet, packed or not.
Their fields are found by a preset: docs/archives.md has a line for each source. `python -m pipeline.peek ARCHIVE` shows
what would be read. Pictures are members of tar or zip files, or files of a folder. Paths may be local or of any store
that fsspec knows.
"""

EPILOG = """\
All other options are Beam's and go to it unchanged, such as --runner=FlinkRunner; without --runner the work runs here,
in one process or in --local_workers.

Exit status: 0 done, 1 failed, 2 a mistake in the command, told in one sentence, 130 interrupted by Ctrl-C, 143 by SIGTERM.
"""
