"""What is published for an alert."""
