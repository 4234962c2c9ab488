"""What the bytes look like: Avro schemas and the one loader that reads them."""
