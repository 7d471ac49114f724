"""Pipeline 1: from a folder of photos to a dataset version."""
