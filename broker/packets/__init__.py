"""Bytes to packets: framings, containers, compression, schemas."""
