"""Monitoring: drift, its cause and its harm, performance, KPIs, alerts."""
