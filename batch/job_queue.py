"""The queue of workers: procrastinate, in the database of the journal. The only code that knows it.

A job names a part of a run and nothing more. Jobs with the same lock are never at work at one time. A worker says
every HEARTBEAT seconds that it lives; one that has not done so for DEAD_AFTER seconds is dead, and what it had at work
is taken over by the others. Whoever does a part a second time is safe: the journal knows what was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import procrastinate
import psycopg
from procrastinate.app import WorkerOptions
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job as QueuedJob
from procrastinate.schema import SchemaManager

from batch.database.database import driver_arguments

QUEUE, TASK = "parts", "work_on_part"
HEARTBEAT, DEAD_AFTER = 10, 30  # seconds
LOOK_EVERY = 10  # seconds, for jobs of the dead
SLICE = 0.5  # seconds; how soon Ctrl+C is noticed
PAUSE = 5  # seconds, before a database in trouble is tried again
RETRY_AFTER = 10  # seconds, times the number of the attempt
MAKING = 7_205_759_403_792_794  # an advisory lock's number, arbitrary but the same for every station

log = logging.getLogger(__name__)

Work = Callable[[str, int, str, int], None]
"""What is done with a job: (run, part, station that asked for it, number of earlier attempts)."""


@dataclass(frozen=True, slots=True)
class Job:
    """A part of a run to be queued."""

    run: str
    part: int
    station: str
    lock: str


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Make the queue's tables, unless they are there."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [MAKING])
    if not _is_there(connection):
        connection.execute(SchemaManager.get_schema())


def living_workers(connection: psycopg.Connection[Any]) -> int:
    """How many workers have said of late that they live."""
    if not _is_there(connection):
        return 0
    lately = "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => %s)"
    found = connection.execute(lately, [DEAD_AFTER]).fetchone()
    return int(found[0]) if found else 0


def _is_there(connection: psycopg.Connection[Any]) -> bool:
    found = connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone()
    return found is not None and found[0] is not None


def defer(jobs: Sequence[Job], connection: psycopg.Connection[Any]) -> None:
    """Queue jobs in the transaction under way on `connection`; the queue's tables are made when they are missing."""
    prepare(connection)
    manager = procrastinate.App(connector=procrastinate.SyncPsycopgConnector()).job_manager
    queued = [
        QueuedJob(
            queue=QUEUE,
            lock=job.lock,
            queueing_lock=None,
            task_name=TASK,
            task_kwargs={"run": job.run, "part": job.part, "station": job.station},
        )
        for job in jobs
    ]
    manager.batch_defer_jobs(queued, connection=connection)


def work_on_jobs(url: str, station: str, work: Work, *, concurrency: int, stopped: Callable[[], bool]) -> None:
    """Work on jobs, several at a time, until `stopped`; then those at work are finished.

    A database that is gone is tried again and again. On KeyboardInterrupt the process ends at once, and others take
    over what it had at work.
    """
    arguments = {str(key): value for key, value in driver_arguments(url, f"{station} worker").items()}
    while not stopped():
        loop = asyncio.SelectorEventLoop()  # psycopg cannot use the one that Windows has by default
        try:
            loop.run_until_complete(_work(arguments, work, concurrency, stopped))
        except KeyboardInterrupt:
            os._exit(0)
        except (ConnectorException, psycopg.Error, OSError) as error:
            log.warning("the queue cannot be reached: %s", type(error.__cause__ or error).__name__)
            loop.run_until_complete(asyncio.sleep(PAUSE))
        finally:
            loop.close()


async def _work(arguments: dict[str, Any], work: Work, concurrency: int, stopped: Callable[[], bool]) -> None:
    connector = procrastinate.PsycopgConnector(kwargs=arguments, min_size=1, max_size=4)
    app = procrastinate.App(connector=connector)

    @app.task(name=TASK, queue=QUEUE, pass_context=True, retry=_Again())
    def work_on_part(context: procrastinate.JobContext, run: str, part: int, station: str) -> None:
        work(run, part, station, context.job.attempts)

    async with app.open_async():
        options: WorkerOptions = {
            "queues": [QUEUE],
            "concurrency": concurrency,
            "delete_jobs": "successful",
            "install_signal_handlers": False,
            "update_heartbeat_interval": HEARTBEAT,
            "stalled_worker_timeout": DEAD_AFTER,
        }
        working = asyncio.create_task(app.run_worker_async(**options))
        ending = asyncio.Event()  # the jobs at work are finished first
        asyncio.get_running_loop().set_exception_handler(lambda _loop, trouble: _start_anew(ending, trouble))
        watching = asyncio.create_task(_watch(app, stopped, ending))
        await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
        for task in (working, watching):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


async def _watch(app: procrastinate.App, stopped: Callable[[], bool], ending: asyncio.Event) -> None:
    """Take over the jobs of the dead, until it is time to end."""
    looked = -math.inf
    while not stopped() and not ending.is_set():
        if time.monotonic() >= looked + LOOK_EVERY:
            looked = time.monotonic()
            await _take_over(app)
        await asyncio.sleep(SLICE)


async def _take_over(app: procrastinate.App) -> None:
    try:
        await app.job_manager.prune_stalled_workers(DEAD_AFTER)
        for job in await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=DEAD_AFTER):
            log.warning("job %s was left behind by a worker that is gone", job.id)
            await app.job_manager.retry_job(job)
    except ConnectorException as error:  # or another worker was faster
        log.info("jobs left behind were not taken over: %s", type(error.__cause__).__name__)


def _start_anew(ending: asyncio.Event, trouble: dict[str, Any]) -> None:
    """The end of a job could not be noted: it would be at work for ever, if its worker did not get a new name."""
    log.error("the worker starts anew: %s", trouble.get("message"), exc_info=trouble.get("exception"))
    ending.set()


class _Again(procrastinate.BaseRetryStrategy):
    """A job that failed is tried again for as long as `work` raises."""

    def get_retry_decision(
        self,
        *,
        exception: BaseException,  # noqa: ARG002  (of whatever kind)
        job: QueuedJob,
    ) -> procrastinate.RetryDecision | None:
        return procrastinate.RetryDecision(retry_in={"seconds": RETRY_AFTER * (job.attempts + 1)})
