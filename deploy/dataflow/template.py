"""What a Flex Template of Dataflow says of the command's options.

python -m deploy.dataflow.template > deploy/dataflow/metadata.json
"""

from __future__ import annotations

import json
import sys
from dataclasses import MISSING, fields
from typing import Any

from models.inference.devices import DEVICES
from pipeline.options import HELP, RunOptions, option_parser

REGEXES = {"int": r"^[0-9]+$", "float": r"^[0-9]+(\.[0-9]+)?$", "bool": r"^(true|false)$", "str": r"^\S(.*\S)?$"}
IMAGE = {
    "name": "sdk_container_image",
    "label": "sdk container image",
    "helpText": "image of the workers, built from deploy/docker; with a GPU the one of cuda.Dockerfile",
    "regexes": [REGEXES["str"]],
    "isOptional": False,
    "paramType": "TEXT",
}


def metadata() -> dict[str, Any]:
    """The content of `metadata.json`: every option of `RunOptions` with its help and the values that it takes."""
    actions = {action.dest: action for action in option_parser()._actions}
    parameters = [_parameter(field.name, field.type, field.default, actions[field.name].help) for field in fields(RunOptions)]
    return {"name": "Postner", "description": HELP.splitlines()[0], "streaming": False, "parameters": [*parameters, IMAGE]}


def _parameter(name: str, kind: Any, default: Any, explained: str | None) -> dict[str, Any]:
    regex = rf"^({DEVICES})$" if name == "device" else REGEXES[str(kind).removesuffix(" | None")]
    known = default is not MISSING and default is not None
    return {
        "name": name,
        "label": name.replace("_", " "),
        "helpText": explained,
        "regexes": [regex],
        "isOptional": default is not MISSING,
        "paramType": "TEXT",
        **({"defaultValue": str(default).lower() if isinstance(default, bool) else str(default)} if known else {}),
    }


def main() -> None:
    """The command."""
    json.dump(metadata(), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
