"""Write the metadata of the Flex Template for Dataflow from the options of the command.

python -m deploy.dataflow.template > deploy/dataflow/metadata.json
"""

from __future__ import annotations

import json
import sys
from typing import Any

from archive.command_line import Parser
from pipeline.definitions import Option
from pipeline.help import HELP
from pipeline.options import OPTIONS

REGEXES = {"int": r"^[0-9]+$", "float": r"^[0-9]+(\.[0-9]+)?$", "bool": r"^(true|false)$", "str": r"^\S(.*\S)?$"}
REGEXES["several"] = REGEXES["str"]
IMAGE = {
    "name": "sdk_container_image",
    "label": "sdk container image",
    "helpText": "image of the workers, built from deploy/docker; with a GPU the one of cuda.Dockerfile",
    "regexes": [REGEXES["str"]],
    "isOptional": False,
    "paramType": "TEXT",
}


def metadata() -> dict[str, Any]:
    """Return the content of `metadata.json`: each option of `RunOptions` with its help and its allowed values."""
    parameters = [*map(_parameter, OPTIONS), IMAGE]
    return {"name": "Postner", "description": HELP.splitlines()[0], "streaming": False, "parameters": parameters}


def _parameter(option: Option) -> dict[str, Any]:
    has_default = not option.required and option.default not in (None, ())
    value = str(option.default).lower() if option.kind == "bool" else str(option.default)
    return {
        "name": option.name,
        "label": option.name.replace("_", " "),
        "helpText": option.full_help,
        "regexes": [f"^({option.choices})$" if option.choices else REGEXES[option.kind]],
        "isOptional": not option.required,
        "paramType": "TEXT",
        **({"defaultValue": value} if has_default else {}),
    }


def main() -> None:
    """Print the metadata."""
    Parser("deploy.dataflow.template", __doc__).parse_args()
    json.dump(metadata(), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
