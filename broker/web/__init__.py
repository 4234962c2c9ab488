"""The page: what was classified, object by object, for people who watch a night."""
