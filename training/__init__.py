"""Where artefacts come from. Nobody imports it."""
