"""What the numbers mean: observations, features, the network, its calibration. Pure: no Kafka, Redis, Avro or clock."""
