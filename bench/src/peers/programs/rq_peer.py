# RQ. One worker takes one job at a time, whatever the concurrency. Modes: `Worker`, which forks for each job, and
# `SimpleWorker`, which does not.
#
# - Jobs are added by enqueue_many.
# - result_ttl=0, so that a job is deleted once it is done; the default keeps it for 500 seconds.
#
# kill -9: a job in flight is not lost, but found among the failed ones and not run again by itself.
import logging

import redis
import rq

import tally

queue = rq.Queue(connection=redis.Redis.from_url(tally.REDIS_URL))


def send(email):
    tally.handle()


def enqueue(numbers):
    queue.enqueue_many([
        # The description would else hold the email once more.
        rq.Queue.prepare_data("rq_peer.send", (tally.email(number),), result_ttl=0, description="email")
        for number in numbers
    ])


def work(concurrency, mode):
    worker = {"Worker": rq.Worker, "SimpleWorker": rq.SimpleWorker}[mode]([queue], connection=queue.connection)
    worker.log_job_description = False
    worker.work(logging_level=logging.WARNING)


if __name__ == "__main__":
    # The worker imports this module by its name once more; the count is in `tally`, of which there is one.
    tally.main("rq", enqueue, work)
