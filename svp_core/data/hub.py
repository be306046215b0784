"""Downloads from the Hugging Face hub: resumed when interrupted, checked, then moved in place."""

import shutil
from pathlib import Path

from svp_core.data.files import DataError, checksum


def download(repository: str, revision: str, patterns: list[str], folder: Path) -> None:
    """Download the matching files of a dataset repository to `folder`, which appears when whole.

    Raises DataError for a file that has not the SHA-256 published by the hub.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.utils import filter_repo_objects

    partial = folder.with_name(f".{folder.name}.partial")
    info = HfApi().dataset_info(repository, revision=revision, files_metadata=True)
    published = {file.rfilename: file.lfs.sha256 for file in info.siblings if file.lfs}
    snapshot_download(
        repository,
        repo_type="dataset",
        revision=info.sha,
        allow_patterns=patterns,
        local_dir=partial,
    )
    for name in filter_repo_objects(published, allow_patterns=patterns):
        if checksum(partial / name, "sha256") != published[name]:
            (partial / name).unlink()
            raise DataError(f"{partial / name} arrived damaged: another SHA-256; fetch again")
    shutil.rmtree(partial / ".cache", ignore_errors=True)
    partial.rename(folder)
