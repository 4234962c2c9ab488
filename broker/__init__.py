"""The service: Kafka topics in, classifications, anomalies and dead letters out, exactly once."""
