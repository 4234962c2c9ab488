"""Which artefacts classify, and how they are exchanged while the service runs."""
