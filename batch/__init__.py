"""Allegro offers from an Excel workbook.

Start with `pipeline`: each job is one short function there that calls the stages in order.

    cli             words in, words out: arguments, errors -> advice, exit codes
    progress        bars on the console
    log             the log file
    pipeline        START HERE
    demo            the main job with no account, against the simulator
    setup           a new workbook and its batch.yaml

  Stages, named with verbs: data in, data out

    validate        cells -> typed rows + problems
    resolve         defaults given by name -> ids of one account's dictionaries
    plan            rows + journal + what Allegro holds -> steps
    execute         steps -> outcomes: submit pass, then settle pass; the only loop that acts
    export          orders -> rows of Orders, and where they go in the sheet
    sum_orders      rows of Orders -> figures and sentences
    report          outcomes -> cells, rows of Results, summary
    deliver         answers into the workbook, or into the journal until it can be written

  What travels between them

    model           accounts, rows, steps' parts, outcomes: frozen data
    order           an order as Allegro has it
    errors          everything raised on purpose, with facts
    messages        one catalogue: key -> texts in Polish and English

  The world, named with nouns: I/O

    workbook        the only code that knows Excel
    allegro         the only code that speaks HTTP to the API
    accounts        tokens shared by several PCs
    connect         account -> a session that can talk to Allegro
    fetch_orders    all orders of one account: journal and Allegro -> what the sheet is to say
    order_files     orders -> files, by templates that users may edit
    journal         intents and outcomes (SQLAlchemy Core)
    seller_lock     one run at a time for a seller
    settings        batch.yaml + environment + keyring (settings_file: its YAML, settings_values: kinds of values)
    world, clock    time, ids, folders as arguments
    parallel        many items, a few threads
    simulator       Allegro in miniature; imports nothing else of this package

Imports: stages know `model`, `order`, `errors`, `messages`, the data types of `workbook`, the pure `allegro.retry`, and
each other; a noun knows those and its own folder; only `pipeline`, `connect`, `fetch_orders`, `order_files`, `deliver`,
`demo` and `setup` join both.
"""

__version__ = "0.1.0"
