"""The parts of the one configuration (broker/config.py), and what is said of values that cannot be."""
