"""The parts of a cluster without containers."""
