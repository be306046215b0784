"""One seed a run, from which every random draw has a stream of its own."""

import hashlib


def derive(seed: int, *purpose: str | int) -> int:
    """Return the seed of one purpose, such as `derive(0, "order", epoch)`.

    Streams do not depend on each other: a method that draws more numbers than another sees the same
    initial weights and data order (paired seeds).
    """
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
