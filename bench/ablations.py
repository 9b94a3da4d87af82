"""Measure what each part of the model contributes: train without it, and score with own, without, and with shuffled pictures.

    python -m bench.ablations --data twitter2017-surrogate --images 'images-*.tar' --encoder all-MiniLM-L6-v2 \
        --vectors w2v_tweets_200d.bin --output out/ablations

It trains five forms of the model with each seed, 3 to 7 minutes each on one core with MiniLM. A form that is in --output
already is not trained again. A folder with forms of other options is refused. It prints lenient micro F1 of
`models.evaluate` on valid: mean and standard deviation over seeds.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from archive.command_line import Parser

TEXT, AUGMENTED, OBJECTS, GRID, ALL = "text only", "+ augmentation", "+ augmentation + objects", "+ augmentation + grid", "all"
FORMS = (TEXT, AUGMENTED, OBJECTS, GRID, ALL)
IDENTITY = ("data", "images", "encoder", "vectors", "epochs", "lr")
CONDITIONS = ("with", "without", "shuffled")


def main(argv: list[str]) -> int:
    """Run the command and return its exit status: 2 if the folder has forms of other options."""
    options = _parser().parse_args(argv)
    images = [f"--images={options.images}"]
    flags = {
        TEXT: [],
        AUGMENTED: [f"--vectors={options.vectors}"],
        OBJECTS: [f"--vectors={options.vectors}", *images, "--granularities=objects"],
        GRID: [f"--vectors={options.vectors}", *images, "--granularities=grid"],
        ALL: [f"--vectors={options.vectors}", *images],
    }
    options.output.mkdir(parents=True, exist_ok=True)
    identity = json.dumps({name: str(getattr(options, name)) for name in IDENTITY}, indent=1)
    stored = options.output / "options.json"
    if stored.exists() and stored.read_text() != identity:
        print(f"bench.ablations: {options.output} holds forms of other options ({stored}): give another --output", file=sys.stderr)
        return 2
    stored.write_text(identity)
    shared = [f"--cache={options.output}/pictures.npz", f"--threads={options.threads}"]
    training = [f"--encoder={options.encoder}", f"--epochs={options.epochs}", f"--lr={options.lr}"]
    scores: dict[tuple[str, str], list[float]] = {}
    for seed in range(1, options.seeds + 1):
        for form in FORMS:
            bundle = options.output / f"{form.replace(' ', '').replace('+', '-').strip('-')}-{seed}"
            if not (bundle / "README.md").exists():
                _run("models.train", "--data", str(options.data), *flags[form], *training, *shared, f"--seed={seed}", f"--output={bundle}")
            for condition in CONDITIONS if len(flags[form]) > 1 else ("without",):
                report = options.output / f"{bundle.name}-{condition}.json"
                if not report.exists():
                    arguments = [f"--data={options.data}/valid.txt", f"--model={bundle}", f"--condition={condition}", f"--json={report}"]
                    _run("models.evaluate", *arguments, *shared, *images)
                scores.setdefault((form, condition), []).append(100 * json.loads(report.read_text())["lenient"]["f1"])
    print(_table(scores))
    return 0


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)


def _table(scores: dict[tuple[str, str], list[float]]) -> str:
    rows = ["| form | " + " | ".join(f"pictures: {condition}" for condition in CONDITIONS) + " |", "|---|---|---|---|"]
    for form in FORMS:
        cells = [_cell(scores.get((form, condition))) for condition in CONDITIONS]
        rows.append(f"| {form} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(of_seeds: list[float] | None) -> str:
    if of_seeds is None:
        return ""
    spread = f" ± {statistics.stdev(of_seeds):.2f}" if len(of_seeds) > 1 else ""
    return f"{statistics.mean(of_seeds):.2f}{spread}"


def _parser() -> Parser:
    parser = Parser("bench.ablations", __doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with train.txt and valid.txt")
    add("--images", required=True, help="glob of image shards, or a folder")
    add("--encoder", required=True, help="Hugging Face text encoder: folder or hub id")
    add("--vectors", type=Path, required=True, help="word2vec file for the augmentation table")
    add("--output", type=Path, required=True, help="folder of the trained forms and their scores")
    add("--seeds", type=int, default=3, help="how many trainings of each kind")
    add("--epochs", type=int, default=4, help="of each training")
    add("--lr", type=float, default=1.2e-4, help="learning rate")
    add("--threads", type=int, default=1, help="of torch")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
