"""From files to batches: verify, read, download, stream, augment."""
