"""From encoded bytes to the RGB pixels that their format means, or a refusal that says why."""

import warnings
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from svp_core.data.files import brief

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # some others start programs
MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"}  # 8 bits or less
GREY_16 = {"I;16", "I;16B", "I;16L", "I;16N"}
LONGEST = 100  # times the other side: the shorter one is brought to a fixed length

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # refused, by name


class ImageError(ValueError):
    """An image that cannot be used; the message continues "FILE is"."""


def decode_rgb(data: bytes) -> Image.Image:
    """Return the upright RGB image in some bytes; raises ImageError.

    Where it is transparent, it lies on white; of 16 bits the upper 8 are kept, as Pillow does for
    colours. Numbers of no known range and pictures of several frames are refused.
    """
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
        if fault := unusable(image):
            raise ImageError(fault)
        image.load()
        if image.getexif().get(Image.ExifTags.Base.Orientation) in range(2, 9):
            image = ImageOps.exif_transpose(image)
        return to_rgb(image)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"no image in any of the formats {', '.join(FORMATS)}") from None
    except Exception as error:  # the readers of the formats have none in common
        raise ImageError(f"no whole image: {brief(error) or type(error).__name__}") from error


def unusable(image: Image.Image) -> str | None:
    """Why an image is refused by its header alone, or None."""
    shorter, longer = sorted(image.size)
    if shorter * longer > (Image.MAX_IMAGE_PIXELS or float("inf")):
        return f"of {image.width}x{image.height} pixels, more than {Image.MAX_IMAGE_PIXELS}"
    if longer > LONGEST * shorter:
        return f"of {image.width}x{image.height} pixels, one side over {LONGEST} times the other"
    if image.mode not in MODES | GREY_16:
        return f"of mode {image.mode}, whose values have no known range"
    is_deep = any("16" in str(tile.args) for tile in image.tile)
    if is_deep and "transparency" in image.info:
        return "of 16 bits with a transparent value, of which Pillow keeps 8"
    frames = getattr(image, "n_frames", 1)
    # a camera hides previews behind a JPEG, whose first picture is the photograph
    return f"of {frames} frames" if frames > 1 and image.format != "MPO" else None


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a loaded image of a usable mode in RGB."""
    if image.mode in GREY_16:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
