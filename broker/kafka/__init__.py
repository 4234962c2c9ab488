"""Kafka: messages in, messages and offsets out, exactly once."""
