"""The generator's process: a job as its argument, its outcome as the last line that it prints.

python -m bench.generator '{"mode": "calls", …}'
"""

import asyncio
import gc
import sys
from time import process_time

import msgspec
import uvloop

from bench.generator.calls import Calls
from bench.generator.job import Job, Outcome
from bench.generator.streams import Streams, tell_parent


async def carry_out(job: Job) -> Outcome:
    if job.mode == "calls":
        return await Calls(job).run()
    return await Streams(job, tell_parent).run()


def main(argument: str) -> None:
    job = msgspec.json.decode(argument, type=Job)
    gc.disable()  # a pause here would count as the gateway's
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(carry_out(job))
    outcome.cpu_s = process_time()
    tell_parent(msgspec.json.encode(outcome) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])
