"""Pipeline 2: from a dataset version to a registered model version."""
