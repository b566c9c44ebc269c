"""Allegro offers from an Excel workbook.

Start with `pipeline`: each job is one short function there that calls the stages in order.

    launcher        from a double click on run.bat to a command (environment: the Python it works in)
    cli             words in, words out: arguments, errors -> advice, exit codes
    progress        bars on the console
    log             the log file
    pipeline        START HERE
    account_run     one account's offers in a run: settle, look, plan, act
    undo            one account's part of an undo
    hand_over       a run into the queue of workers, its answers out of it
    worker          carries out what is in the queue; queues runs again and again
    schedule        runs again and again, tokens kept fresh in between
    doctor          what is wrong around the tool, and what to do about it
    demo            the main job with no account, against the simulator
    setup           a new workbook and its batch.yaml

  Stages, named with verbs: data in, data out

    validate        cells -> typed rows + problems
    resolve         defaults given by name -> ids of one account's dictionaries
    plan            rows + journal + what Allegro holds -> steps
    plan_changes    a row against its offer -> changes, safety catches, how changes travel together
    plan_undo       what a run did + what Allegro holds -> the changes that take it back
    execute         drafts -> outcomes: submit pass, then settle pass
    execute_changes changes -> outcomes: sent in calls, watched until applied
    export          orders -> rows of Orders, and where they go in the sheet
    sum_orders      rows of Orders -> figures and sentences
    report          outcomes -> cells, rows of Results, summary
    run_report      summary -> the run as a page, and as rows to paste back
    deliver         answers into the workbook, or into the journal until it can be written
    keep_report     a folder a run: the page, the failed rows as a workbook

  What travels between them

    run             one run under way: request, what was opened for it, result of an account
    model           accounts, rows, steps' parts, outcomes: frozen data
    order           an order as Allegro has it
    queued_run      a run for workers and its answers, as JSON
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
    database        what the journal lies in: SQLite, or PostgreSQL for several stations
    move_journal    the journal as a file, on its way to another database
    ledger          what is left of Allegro's limits, shared by processes (SQLAlchemy Core)
    seller_lock     one run at a time for a seller
    job_queue       which parts of runs wait for a worker (procrastinate)
    system_scheduler  Task Scheduler, systemd, cron
    settings        batch.yaml + environment + keyring (settings_file: its YAML, settings_values: kinds of values)
    world, clock    time, ids, folders as arguments
    parallel        many items, a few threads
    simulator       Allegro in miniature; imports nothing else of this package

Imports: stages know `model`, `order`, `errors`, `messages`, the data types of `workbook`, the pure `allegro.retry`, and
each other; a noun knows those and its own folder; only `pipeline`, `account_jobs`, `account_run`, `undo`, `run`,
`connect`, `fetch_orders`, `order_files`, `deliver`, `move_journal`, `demo`, `setup`, `schedule`, `hand_over`, `worker`
and `doctor` join both.
"""

__version__ = "0.1.0"
