"""Pipeline 3: from a photo to an answer. Nothing here needs torch."""
