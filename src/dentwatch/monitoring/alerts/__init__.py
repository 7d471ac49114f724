"""Telling people and machines: what is to be told is kept first, then delivered until it has arrived."""
