"""From encoded bytes to RGB: what the format means, or a refusal that names the file."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import small_sets
from PIL import Image

from svp_core.data.decoding import ImageError, decode_rgb
from svp_core.fetch import main

GREY = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)


def encode(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def of_mode(mode: str, kind: str = "PNG") -> bytes:
    return encode(Image.fromarray(GREY).convert(mode), kind)


def deep(kind: str = "PNG", type_: str = "<u2") -> bytes:
    """The grey picture in 16 bits, with something in the lower ones."""
    return encode(Image.fromarray((GREY.astype(np.uint16) * 256 + 77).astype(type_)), kind)


SAME = [
    *(of_mode(mode) for mode in ("L", "LA", "P", "RGB", "RGBA")),
    *(of_mode("RGB", kind) for kind in ("BMP", "GIF", "TIFF", "PPM")),
    *(of_mode(mode, "TIFF") for mode in ("CMYK", "LA", "P")),
    *(deep(), deep("TIFF"), deep("TIFF", ">u2")),
]


@pytest.mark.parametrize("data", SAME, ids=range(len(SAME)))
def test_every_way_to_say_the_same_pixels_gives_the_same_pixels(data):
    found = decode_rgb(data)
    assert found.mode == "RGB"
    assert (np.asarray(found) == GREY[:, :, None]).all()


def test_one_bit_is_black_and_white():
    assert np.unique(np.asarray(decode_rgb(of_mode("1")))).tolist() == [0, 255]


def test_what_is_transparent_lies_on_white():
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = 0, 51, 255
    assert np.asarray(decode_rgb(encode(Image.fromarray(pixels))))[0, :, 0].tolist() == [
        255,
        204,
        0,
    ]
    for mode, value in (("L", 8), ("P", 8), ("RGB", (8, 8, 8))):
        picture = Image.fromarray(GREY).convert(mode)
        found = np.asarray(decode_rgb(encode(picture, transparency=value)))
        expected = np.where(GREY == 8, 255, GREY)
        assert (found == expected[:, :, None]).all(), mode


def test_a_photograph_is_turned_upright():
    exif = Image.Exif()
    exif[Image.ExifTags.Base.Orientation] = 6
    lying = Image.new("RGB", (8, 16), "white")
    assert decode_rgb(encode(lying, "JPEG", exif=exif)).size == (16, 8)


def test_the_preview_of_a_camera_does_not_hide_its_photograph():
    photograph, preview = Image.new("RGB", (8, 8), "white"), Image.new("RGB", (4, 4))
    data = encode(photograph, "MPO", save_all=True, append_images=[preview])
    assert np.asarray(decode_rgb(data)).min() == 255 and decode_rgb(data).size == (8, 8)


def chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def header(width: int, height: int) -> bytes:
    """A PNG that promises RGB pixels and has none."""
    start = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    )
    return start + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def with_text(data: bytes) -> bytes:
    """A PNG with a text that unpacks to more than Pillow takes."""
    return data[:-12] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000))) + data[-12:]


def several(kind: str) -> bytes:
    first, second = (Image.fromarray(one).convert("RGB") for one in (GREY, GREY.T))
    return encode(first, kind, save_all=True, append_images=[second])


NOISE = encode(Image.fromarray(small_sets.pixels(1, 8, 8, 3)[0]))
REFUSED = {
    "no image in any of the formats": [b"", b"nothing", of_mode("RGB", "EPS"), of_mode("L", "ICO")],
    "of 9500x9500 pixels, more than": [encode(Image.new("1", (9500, 9500)))],
    "no whole image: Image size .900000000 pixels. exceeds limit": [header(30000, 30000)],
    "no whole image": [header(8, 8), of_mode("RGB", "JPEG")[:-40], NOISE[:150]],
    "no whole image: Decompressed data too large": [with_text(of_mode("RGB"))],
    "of 1x101 pixels, one side over 100 times the other": [encode(Image.new("L", (1, 101)))],
    "of 2 frames": [several(kind) for kind in ("GIF", "PNG", "TIFF", "WEBP")],
    "of mode F, whose values have no known range": [deep("TIFF", "f4")],
    "of mode I, whose values have no known range": [deep("TIFF", "i4")],
    "of mode LAB, whose values": [encode(Image.new("LAB", (8, 8)), "TIFF")],
    "of 16 bits with a transparent value": [
        deep()[:33] + chunk(b"tRNS", struct.pack(">H", 333)) + deep()[33:]
    ],
}


@pytest.mark.parametrize(("message", "images"), REFUSED.items(), ids=[*REFUSED])
def test_what_has_no_certain_pixels_is_refused(message, images):
    for data in images:
        with pytest.raises(ImageError, match=f"^{message}"):
            decode_rgb(data)


@pytest.mark.parametrize("form", ["folder", "shards"])
@pytest.mark.parametrize("message", ["no whole image: Decompressed data", "of 9500x9500 pixels"])
def test_a_fetch_names_the_image_it_refuses(tmp_path, monkeypatch, capfd, form, message):
    [data] = (
        REFUSED["of 9500x9500 pixels, more than"]
        if "9500" in message
        else [with_text(of_mode("L"))]
    )
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", small_sets.tiny_images())
    if form == "folder":
        small_sets.write_folder(tmp_path / "imagenette2")
        place = tmp_path / "imagenette2/train/n02102040/n02102040_09.JPEG"
        place.write_bytes(data)
    else:
        small_sets.write_shards(tmp_path / "imagenette")
        shard = tmp_path / "imagenette/train/0001.parquet"
        rows = small_sets.encoded(8, "train")[8:16]
        small_sets.write_shard(shard, [rows[0], (*rows[1][:2], data), *rows[2:]])
        place = f"{shard} row 1"
    capfd.readouterr()
    assert main(["imagenette", "--data-dir", str(tmp_path)]) == 1
    printed = capfd.readouterr().err
    assert printed.startswith(f"error: {place} is {message}") and printed.count("\n") == 1
    assert not (tmp_path / "imagenette.json").exists()
