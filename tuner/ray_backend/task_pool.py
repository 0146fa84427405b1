"""Functions on workers of the cluster, each with the cores and the share of a GPU that a trial gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar, cast

import ray
import ray.exceptions

from tuner.errors import SearchFailed
from tuner.ray_backend.left_out import elsewhere
from tuner.space.search_settings import ResourceSettings

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Task(Generic[Result]):
    """A function that a worker runs."""

    def __init__(self, reference: object) -> None:
        self._reference = reference

    def result(self) -> Result:
        """Wait for the result and return it. Raises SearchFailed if the function failed or its worker died."""
        try:
            return cast(Result, ray.get(self._reference))
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            raise SearchFailed(f"a worker that measured trials failed: {cause!r}") from error


class TaskPool:
    """Runs functions as `concurrent.futures` does."""

    def __init__(self, resources: ResourceSettings) -> None:
        self._resources = resources

    def submit(
        self, function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Task[Result]:
        """Start a function, and return at once."""
        resources = self._resources
        options = {"num_cpus": resources.cpus, "num_gpus": resources.gpus, "max_calls": 1}
        remote = ray.remote(**options, label_selector=elsewhere())(function)
        return Task(remote.remote(*arguments, **named))
