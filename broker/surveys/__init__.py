"""What each survey's packets mean, one file a survey."""
