# dramatiq, on its Redis broker: one process with as many threads as the given concurrency.
#
# - Middleware and prefetching (twice the number of threads) are left as they come.
# - There is no result backend.
#
# kill -9: nothing is lost. A job is acknowledged when it is done; those of a worker whose heartbeat has been missing for 60
# seconds are requeued.
import threading

import dramatiq
from dramatiq.brokers.redis import RedisBroker

import tally

broker = RedisBroker(url=tally.REDIS_URL)
dramatiq.set_broker(broker)


@dramatiq.actor
def send(email):
    tally.handle()


def enqueue(numbers):
    for number in numbers:
        send.send(tally.email(number))


def work(concurrency, mode):
    # What the command `dramatiq --processes 1` runs in its one child.
    dramatiq.Worker(broker, worker_threads=concurrency).start()
    threading.Event().wait()


tally.main("dramatiq", enqueue, work)
