"""A team: several stations on one PostgreSQL. `python -m tests.team` runs whole suites on it."""
