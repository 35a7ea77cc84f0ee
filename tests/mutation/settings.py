"""What `make mutate` runs the tests with.

Hypothesis tries the same examples for every mutant, each test again in one process. Jinja of specs is run without the
sandbox, whose process mutmut does not know.
"""

import json
from datetime import date

from hypothesis import HealthCheck, settings

from chatwright.meaning import jinja, tool_formats


def _run(source: str, today: date | None, variables: str) -> str:
    return jinja.compile_template(source).render(strftime_now=today and today.strftime, **json.loads(variables))


tool_formats._run_bounded = _run

settings.register_profile(
    "mutation",
    max_examples=50,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors],
)
settings.load_profile("mutation")
