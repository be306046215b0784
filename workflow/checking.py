"""Is a config what its schema allows, and is every key there once? Before anything is planned."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import yaml
from referencing import Registry, Resource

from svp_core.config import options, texts

SCHEMA = Path(__file__).parent / "schemas" / "config.schema.yaml"


def check(config: Mapping, files: Iterable[str | Path] = ()) -> None:
    """Raise ConfigError, naming the key, or the file that Snakemake has read it from."""
    for file in files:
        texts.read_file(Path(file))  # of a key that stands twice Snakemake takes the last
    rules = yaml.safe_load(SCHEMA.read_text()) | {"$id": SCHEMA.as_uri()}
    options.checked(config, rules, "config ", registry=Registry(retrieve=retrieve))


def retrieve(uri: str) -> Resource:
    """Return a schema that another refers to by its place beside it."""
    text = Path(url2pathname(urlparse(uri).path)).read_text()
    return Resource.from_contents(yaml.safe_load(text))
