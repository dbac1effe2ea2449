# Celery, with Redis as its broker. Modes: `threads` with the given concurrency, and `prefork` with a process per core,
# because threads share one interpreter lock.
#
# - Results are ignored, and there is no result backend.
# - The prefetch multiplier is left at 4.
# - Gossip, mingle and the heartbeat, which serve clusters of workers, are off.
#
# kill -9: the jobs in flight are lost, as Celery acknowledges a job before it runs it. Those that were only prefetched come
# back after the visibility timeout of an hour.
import os

from celery import Celery

import tally

app = Celery("celery_peer", broker=tally.REDIS_URL)
app.conf.update(task_ignore_result=True, worker_redirect_stdouts=False)


@app.task(name="send")
def send(email):
    tally.handle()


def enqueue(numbers):
    # There is no call for many at once; to keep the producer saves its set-up for each.
    with app.producer_pool.acquire(block=True) as producer:
        for number in numbers:
            send.apply_async((tally.email(number),), producer=producer)


def work(concurrency, mode):
    if mode == "prefork":
        concurrency = os.cpu_count()
    app.worker_main([
        "worker", f"--pool={mode}", f"--concurrency={concurrency}", "--loglevel=WARNING",
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    ])


tally.main("celery", enqueue, work)
