"""Which part of many slides this job does."""

import os

from dfaseg.sharing.shares import Share, share_of_job


def chosen_share(shard: Share | None, num_slides: int) -> Share | None:
    """Return the share that was asked for, or that the scheduler gives.

    One slide is never shared out: it is what each job of an array is given by itself.

    Raises:
        ConfigError: What the scheduler gives cannot be told.
    """
    if shard is not None:
        return shard
    return share_of_job(os.environ) if num_slides > 1 else None
