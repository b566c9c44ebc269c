"""The database of the journal: one file of SQLite for one seller, PostgreSQL for several stations.

database.py    START HERE: opens it, brings its tables up to date
tables.py      its tables
migrations/    from the tables of an older version to those of this one (Alembic)
"""
