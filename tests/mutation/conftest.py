"""Hypothesis where `make mutate` runs the tests: the same examples for every mutant, each test again in one process."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "mutation",
    max_examples=50,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors],
)
settings.load_profile("mutation")
