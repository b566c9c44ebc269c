"""Cells become typed rows; what cannot be used becomes a Problem with its cell, value and code. No I/O.

cells.py     one cell: GTIN, price, stock, words
accounts.py  the `Accounts` table
defaults.py  the `Defaults` table, and which of its rows a product gets
products.py  the `Products` table, all problems of a row at once
options.py   the `Settings` table
"""
