"""Drift of raw photos, noticed one inspection at a time and with a stated false-alarm rate (docs/drift.md)."""
