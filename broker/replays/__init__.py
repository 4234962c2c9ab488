"""Light curves as the packets that a survey would have sent of them: for rehearsals, demos and tests."""
