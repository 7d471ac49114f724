"""The steps that close the loop: what follows from an incident, from new annotated photos, from a new model version."""
