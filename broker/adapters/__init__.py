"""One adapter a survey: a decoded packet in, an Alert out."""
