"""Light curves that lie in files, read and classified without Kafka and Redis."""
