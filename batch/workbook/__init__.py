"""The only code that knows Excel: what the tables are, how to read them, how to write them without harm."""
