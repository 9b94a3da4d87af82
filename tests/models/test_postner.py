"""Postner called from Python: the same as the command, safe, and it leaves the caller's process as it was."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import nbformat
import pyarrow.dataset as ds
import pytest
from nbclient import NotebookClient
from PIL import Image

from models import load
from models.postner import TEXTS_AT_ONCE, Postner
from pipeline.command import main as run
from pipeline.process import EXIT_DONE
from tests.conftest import DEMO, ROOT
from tests.pipeline.test_picture_texts import poster
from transforms.writers.schema import ANNOTATIONS


@pytest.fixture(scope="session")
def postner() -> Postner:
    return load(threads=1)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of the demo archive as files."""
    folder = tmp_path_factory.mktemp("pictures")
    for shard in sorted(DEMO.glob("*.tar")):
        with tarfile.open(shard) as tar:
            tar.extractall(folder, filter="data")
    return folder


def test_what_it_returns_is_the_rows_of_the_command(postner: Postner, pictures: Path, tmp_path: Path) -> None:
    arguments = [f"--posts={DEMO}/posts-*.jsonl", f"--images={DEMO}/images-*.tar", f"--output={tmp_path}/out", "--threads=1"]
    assert run(arguments) == EXIT_DONE
    rows = ds.dataset(tmp_path / "out" / "annotations").to_table(columns=["text", "entities", "images", "model"]).to_pylist()
    images = [[pictures / image["key"] for image in row["images"]] for row in rows]
    annotations = postner.annotate([row["text"] for row in rows], images)
    assert {image.status for annotation in annotations for image in annotation.images} >= {"ok", "missing", "corrupt", "too_large"}
    for row, annotation in zip(rows, annotations, strict=True):
        assert row.pop("model") == postner.model
        for image in row["images"]:
            image["key"] = Path(image["key"]).name  # one is ../../etc/passwd
        assert annotation.to_dict() == row
        assert json.loads(json.dumps(annotation.to_dict())) == row


def test_names_that_are_written_in_a_picture(tmp_path: Path) -> None:
    """The same picture through the command: tests/pipeline/test_picture_texts.py."""
    reader = load(detector="none", threads=1, ocr="rapidocr")
    blank, annotation = reader.annotate(["", "Look!"], [Image.new("RGB", (90, 90)), poster("ANGELA", "MERKEL", "IN BERLIN")])
    assert blank.images[0].texts == ()
    (image,) = annotation.images
    (text,) = image.texts
    assert (image.status, text.kind, text.text) == ("ok", "ocr", "ANGELA MERKEL IN BERLIN")
    assert [(one.text, one.type) for one in text.entities] == [("ANGELA MERKEL", "PER"), ("BERLIN", "LOC")]
    (told,) = annotation.to_dict()["images"][0]["texts"]
    column = ANNOTATIONS.field("images").type.value_type.field("texts").type.value_type
    assert [*told] == [field.name for field in column]
    assert [*told["entities"][0]] == [field.name for field in column.field("entities").type.value_type]
    assert text.text[told["entities"][1]["start"] : told["entities"][1]["end"]] == "BERLIN"


def test_one_text_or_many_and_pictures_in_any_form(postner: Postner, pictures: Path) -> None:
    text, path = "Grace Hopper of the US Navy", pictures / "grace-hopper.jpg"
    one = postner.annotate(text, path)
    assert [(entity.text, entity.type) for entity in one.entities] == [("Grace Hopper", "PER"), ("US Navy", "ORG")]
    assert one.text == text
    assert postner.annotate([text, "Paris"], [str(path), None]) == [one, postner.annotate("Paris")]
    assert postner.annotate((each for each in [text]), ([path] for _ in range(1))) == [one]
    assert postner.annotate([]) == []
    data = path.read_bytes()
    from_bytes, from_pillow = postner.annotate(text, data), postner.annotate(text, [Image.open(BytesIO(data))])
    assert [image.key for image in from_bytes.images + from_pillow.images] == ["image-1", "image-1"]
    assert from_bytes.images[0].objects == from_pillow.images[0].objects == one.images[0].objects
    twice = postner.annotate(text, [path, data, path])
    assert [image.key for image in twice.images] == ["grace-hopper.jpg", "image-2", "3-grace-hopper.jpg"]


def test_the_orientation_of_an_open_image_is_that_of_its_file(postner: Postner, pictures: Path) -> None:
    path = pictures / "rotated.jpg"
    (from_path,), (from_pillow,) = (postner.annotate("", source).images for source in (path, Image.open(path)))
    assert (from_pillow.width, from_pillow.height) == (from_path.width, from_path.height)


def test_many_texts_do_not_depend_on_each_other(postner: Postner) -> None:
    texts = ["Taylor Swift at Wembley", "", "good morning", "LeBron James in Boston " * 30]
    alone = [postner.annotate(text) for text in texts]
    assert postner.annotate(texts * (TEXTS_AT_ONCE // 4 + 1)) == alone * (TEXTS_AT_ONCE // 4 + 1)


def test_bad_pictures_cost_no_text(postner: Postner, tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    (tmp_path / "large.jpg").write_bytes(jpeg() + bytes(21 * 2**20))
    bomb = BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    cut = Image.open(BytesIO(jpeg(size=(2000, 2000))[:2000]))
    huge = Image.new("1", (11_000, 10_000))
    sources = [
        *(tmp_path / "none.jpg", tmp_path, "zero\0byte", tmp_path / "large.jpg"),
        *(bomb.getvalue(), b"", b"<html></html>", b"\xff\xd8\xff", jpeg()[:40], jpeg(), cut, huge),
    ]
    annotation = postner.annotate("Paris", sources)
    assert [image.status for image in annotation.images] == [
        *("missing", "missing", "missing", "too_large"),
        *("too_large", "corrupt", "corrupt", "corrupt", "corrupt", "ok", "corrupt", "too_large"),
    ]
    assert [entity.text for entity in annotation.entities] == ["Paris"]
    assert postner.annotate("half \ud83d Paris").entities[0].start == 7


def test_mistakes_are_told_in_a_sentence(postner: Postner, tmp_path: Path) -> None:
    for texts, images, said in (
        (["a", None], None, "text 1 is NoneType"),
        (["a", "b"], ["x.jpg"], "differ in length"),
        (["a"], "x.jpg", "images is one picture"),
        ("a", [3], "picture 1 of text 0 is int"),
        (["a"], [3], "the pictures of text 0 are int"),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            postner.annotate(texts, images)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is not a model bundle"):
        load(str(tmp_path))
    with pytest.raises(ValueError, match="none of auto"):
        load(device="tpu")
    with pytest.raises(ValueError, match="'tesseract' is none of rapidocr"):
        load(ocr="tesseract")
    with pytest.raises(ValueError, match="threads=-1"):
        load(threads=-1)


UNCHANGED = """
import os, sys, warnings
import cv2, numpy, torch
from PIL import Image

def state():
    return (torch.get_num_threads(), torch.get_num_interop_threads(), cv2.getNumThreads(), os.environ.get("OMP_NUM_THREADS"),
        numpy.get_printoptions(), str(torch.ones(1) / 3), Image.open, Image.MAX_IMAGE_PIXELS, torch.is_grad_enabled(), torch.initial_seed())

before = state()
from models import load
postner = load(threads=1)
assert state() == before, (before, state())
postner.annotate("Paris", Image.new("RGB", (30, 30)))
assert state() == before, (before, state())
assert "apache_beam" not in sys.modules
"""


@pytest.mark.parametrize("omp", [None, "2"])
def test_the_process_of_the_caller_stays_as_it_was(omp: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"OMP_NUM_THREADS": omp} if omp else {}
    subprocess.run([sys.executable, "-c", UNCHANGED], cwd=ROOT, env=environment, check=True)


def test_the_example_of_the_readme_runs(pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(from models import load.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(pictures)
    exec(example, {})
    assert "Grace Hopper PER" in capsys.readouterr().out


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in notebook.cells), "store it without its results"
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT / "docs")}}).execute()
    said = "".join(output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    assert "Grace Hopper PER" in said
