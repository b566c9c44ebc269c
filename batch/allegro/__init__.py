"""The only code that speaks HTTP to Allegro's API.

session.py       hosts, headers, token, limits of size, answers and errors
http.py          connections: proxies, certificates, how long an answer may take
pace.py          how fast: budgets per seller and per client id, parallelism that adapts
allowance.py     what is left of a limit, and when the next turn is (pure)
retry.py         may this be sent again, and after how long? (pure)
payloads.py      our types <-> Allegro's JSON (pure)
offers.py        look-up, drafts, edits, operations
changes.py       changes of offers: commands, their tasks, edits
command_payloads.py  commands and tasks as JSON (pure)
profile.py       whose token is it
orders.py        orders changed since a moment, complete though the list moves
checkout_forms.py  Allegro's JSON of an order -> our type (pure)
dictionaries.py  shipping rates, policies, responsible producers and persons
survey.py        what Allegro holds, for all rows of an account at once
"""
