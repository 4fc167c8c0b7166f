"""Ray Serve: an identity deployment of one replica, asked by its handle from the driver.

    python ray_end.py handle

Law: a local cluster of its own, ended with this process.
"""

from __future__ import annotations

import ray
from ray import serve
from turns import serve_turns


@serve.deployment
class Identity:
    """Gives its input back."""

    async def __call__(self, array):
        """Return `array`."""
        return array


def main() -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=256 << 20)
    try:
        handle = serve.run(Identity.bind(), route_prefix=None)
        serve_turns(lambda array: handle.remote(array).result(), "ray")
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
