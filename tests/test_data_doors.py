"""Made bad data at every door: one line that names the file, or what is right is read."""

import json
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
import small_sets
from hypothesis import event, given
from hypothesis import strategies as st
from PIL import Image
from small_sets import contents

from svp_core import datasets, fetch
from svp_core.data import image_files, inspection, torchvision_sets
from svp_core.data.files import DataError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def made(form: str, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        data = tmp_path_factory.mktemp(form)
        yield small_sets.fetched_imagenette(data, form, patch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    yield from made("folder", tmp_path_factory)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    yield from made("shards", tmp_path_factory)


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """Some bytes, cut off, and with a few of them exchanged, left out or put in."""
    found = bytearray(content[: draw(st.integers(0, len(content)) | st.just(len(content)))])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(found)))
        found[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(found)


def one_line(said: str, named: Path) -> bool:
    event("refused")
    return said.count("\n") == 0 and str(named) in said and len(said) < 1500


def fetched(data: Path, named: Path) -> bool:
    """Whether a fetch takes the data; if not, it has said so in one line and changed nothing."""
    image_files.require_digest.cache_clear()
    before = contents(data)
    printed = StringIO()
    with redirect_stderr(printed), redirect_stdout(StringIO()):
        code = fetch.main(["imagenette", "--data-dir", str(data)])
    said = printed.getvalue()
    if code == 0:
        return True
    assert said.startswith("error: ") and one_line(said.removesuffix("\n"), named)
    assert contents(data) == before
    return False


@st.composite
def manifests(draw, content: dict) -> bytes:
    """A manifest in which one value is any other, or of which bytes are."""
    text = json.dumps(content)
    if draw(st.booleans()):
        return draw(damaged(text.encode()))
    changed = json.loads(text)
    node = draw(st.sampled_from([changed, changed["files"], *changed["files"].values()]))
    key = draw(st.sampled_from([*node]) | st.text() | st.sampled_from(["../x", "/x", "imagenette"]))
    node[key] = draw(JSON | st.just({"bytes": 1, "sha256": "0" * 64}))
    if draw(st.booleans()):
        del node[draw(st.sampled_from([*node]))]
    return json.dumps(changed).encode()


@given(choice=st.data())
def test_no_manifest_is_believed_that_is_not_true(folder, choice):
    place = folder / "imagenette.json"
    right = place.read_bytes()
    wanted = json.loads(right)["files"]
    changed = choice.draw(manifests(json.loads(right)))
    try:
        place.write_bytes(changed)
        try:
            datasets.load("imagenette", folder)
            is_loaded = True
        except DataError as error:
            assert one_line(str(error), folder)
            is_loaded = False
        assert fetched(folder, folder) == is_loaded
        assert not is_loaded or json.loads(place.read_bytes())["files"] == wanted
    finally:
        place.write_bytes(right)


LABELS = st.sampled_from(
    [st.lists(st.integers(0, 2), max_size=2), st.text(), st.floats(), st.booleans(), st.none()]
    + [st.integers(-(2**63), 2**63 - 1), st.integers(0, 2), st.integers(0, 2) | st.none()]
)
BYTES = st.binary() | st.just(small_sets.jpeg(0)) | st.none() | damaged(small_sets.jpeg(0))
CELLS = st.sampled_from(
    [st.fixed_dictionaries({"bytes": BYTES, "path": st.none() | st.text()}), BYTES, st.text()]
    + [
        st.none() | st.fixed_dictionaries({"bytes": BYTES}),
        st.fixed_dictionaries({"path": st.text()}),
    ]
)
NAMES = st.sampled_from([("image", "label")] * 8 + [("image", "class"), ("label", "image")])


@st.composite
def tables(draw, count: int) -> bytes:
    """A parquet file of two columns of anything, or of what they should be."""
    columns = []
    for kinds in (CELLS, LABELS):
        kind = draw(kinds)
        columns.append(pyarrow.array([draw(kind) for _ in range(count)]))
    buffer = BytesIO()
    parquet.write_table(pyarrow.Table.from_arrays(columns, names=[*draw(NAMES)]), buffer)
    return buffer.getvalue()


@given(choice=st.data())
def test_no_shard_is_trained_on_that_is_not_whole(shards, choice):
    place, manifest = shards / "imagenette/val-0.parquet", shards / "imagenette.json"
    [original] = (shards / "imagenette/validation").glob("*.parquet")
    right, recorded = original.read_bytes(), manifest.read_bytes()
    content = choice.draw(tables(6) | damaged(right))
    manifest.unlink()
    original.unlink()
    try:
        place.write_bytes(content)
        if fetched(shards, place):
            for split in datasets.load("imagenette", shards):
                assert all(0 <= one.label < 3 and one.data for one in split.samples(None))
    finally:
        place.unlink()
        original.write_bytes(right)
        manifest.write_bytes(recorded)


def encodings() -> list[bytes]:
    """Small pictures of all modes in all formats that have them."""
    found, noise = [], Image.fromarray(small_sets.pixels(1, 9, 7, 3)[0])
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"):
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "YCbCr"):
            picture = noise.convert("L").convert(mode) if mode == "I;16" else noise.convert(mode)
            buffer = BytesIO()
            try:
                picture.save(buffer, kind)
            except (OSError, ValueError, KeyError):  # a format without this mode
                continue
            found.append(buffer.getvalue())
    return found


@given(data=st.sampled_from(encodings()).flatmap(damaged) | st.binary())
def test_no_image_is_half_read(tmp_path_factory, data):
    from svp_core.data.decoding import ImageError, decode_rgb

    place = tmp_path_factory.getbasetemp() / "image.JPEG"
    place.write_bytes(data)
    try:
        inspection.decoded_entry(place)
    except DataError as error:
        assert one_line(str(error), place)
        with pytest.raises(ImageError):
            decode_rgb(data)
    else:
        assert decode_rgb(data).mode == "RGB"


IDX = small_sets.idx(small_sets.pixels(3, 28, 28))
BATCH = small_sets.cifar({"data": small_sets.pixels(2, 3072), "labels": [1, 2]})


@given(data=damaged(IDX) | damaged(IDX[:40]))
def test_no_idx_file_is_half_read(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "idx"
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    labels = small_sets.idx(np.arange(3))
    for part in ("train", "t10k"):
        (folder / f"raw/{part}-images-idx3-ubyte").write_bytes(data)
        (folder / f"raw/{part}-labels-idx1-ubyte").write_bytes(labels)
    try:
        train, _ = torchvision_sets.read_idx(folder)
    except DataError as error:
        assert one_line(str(error), folder / "raw/train-images-idx3-ubyte")
    else:
        assert train.images.dtype == np.uint8 and train.images.ndim == 4


@given(data=damaged(BATCH) | damaged(BATCH[:200]) | damaged(BATCH[-200:]))
def test_no_cifar_batch_is_half_read(tmp_path_factory, data):
    place = tmp_path_factory.getbasetemp() / "data_batch_1"
    place.write_bytes(data)
    try:
        images, labels = torchvision_sets.read_batch(place, "labels")
    except DataError as error:
        assert one_line(str(error), place)
    else:
        assert images.dtype == np.uint8 and len(images) == len(labels)
