"""Alembic's folder: `env.py` is what it runs, `versions/` holds one step each.

A change of the tables is a new file there, named by the next number, which also becomes `database.HEAD`. A released
step is never changed: databases have it behind them. `tests/core/test_migrations.py` says when a step is missing.
"""
