"""Accounts: whose access token is used, and how it stays valid without one station locking out another.

Allegro replaces and kills the pair of tokens at each renewal (#2553, #6733), so everything here serves one
promise: each pair is used once, by one station, and the next pair is on disk before anyone else looks.

    tokens.py      START HERE: `open_tokens` and `TokenStore`, what the rest of the program asks for a token
    renewal.py     a station that renews: lock, read, decide again, call, save
    published.py   a station that never renews: reads what the main one published
    link.py        the first pair: a person consents in the browser, or on another device
    loopback.py    the page on http://localhost:PORT that catches the code; link_page.py makes its HTML
    endpoint.py    POST /auth/oauth/token and /device, and what their answers mean
    decide.py      is a renewal due, which pair is newer, whose is it (pure)
    lock.py        the lock of a token file; synchronised.py says where it would be worth nothing,
                   lock_probe.py tries it with real processes
    token_file.py  Token <-> the JSON file of the contract, replaced atomically
    token_place.py where a pair lies: that file, or a row of the stations' database (token_row.py)
    spool.py       the new pair on this computer's own disk, until its place has it
"""
