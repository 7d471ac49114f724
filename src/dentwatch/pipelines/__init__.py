"""The loop in Dagster: assets, checks, sensors and schedules over the steps of :mod:`dentwatch.loop`."""
