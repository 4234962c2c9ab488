"""What is remembered of every object, and what an alert changes in it."""
