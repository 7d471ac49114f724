"""The story of a dusk, told on a real service: traffic, drift, incident, retraining, rollout, recovery, report."""
