"""Judges the answers of a server by recordings of a real Heketi. See tests/compat/README.md."""
