"""Living on a machine: files, locks, signals, CPUs, meters, recomputation."""
