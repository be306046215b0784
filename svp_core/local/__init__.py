"""Parts of local methods: projections, readouts and alignments, one file each."""
