"""The KPIs: exact sums that are kept up to date, and what the business asks of them. docs/kpis.md defines each."""
