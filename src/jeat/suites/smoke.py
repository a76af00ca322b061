"""A few steps of every stage of a suite, to see that it runs from end to end."""

from dataclasses import replace
from pathlib import Path

from jeat._support.plugins import constant_of
from jeat.data import load_data
from jeat.objectives import complete
from jeat.suites.suite import Suite
from jeat.training.plan import Plan

__all__ = ["smoke"]

BATCH, ITERATIONS = 4, 2


def smoke(suite: Suite) -> Suite:
    """``suite`` with two iterations a run, few images, short chains; its figures mean nothing."""
    per_epoch = max(1, len(load_data(suite.data).train) // BATCH)

    def short(plan: Plan) -> Plan:
        few = constant_of("objectives", plan.method, "smallest") or {}
        o = replace(
            plan.optimisation, batch_size=BATCH, epochs=ITERATIONS / per_epoch, warmup=0,
            evaluate_images=2, evaluate_every=0, deltas_every=1,
        )  # fmt: skip
        objective = complete(plan.method, plan.objective) | few
        return replace(plan, objective=objective, optimisation=o)

    def plans(out: Path, seed: int) -> dict[str, Plan]:
        return {name: short(plan) for name, plan in suite.plans_of(out, seed).items()}

    own = {m: {k: v for k, v in how.items() if k != "steps"} for m, how in suite.chains.items()}
    return replace(
        suite, title=f"{suite.title}, smoke test", plans=plans,
        judge=short(suite.judge) if isinstance(suite.judge, Plan) else suite.judge,
        about=f"A few steps of each stage; the figures mean nothing. {suite.about}",
        chain=dict(suite.chain) | {"steps": 2}, chains=own, per_class=1,
        comparison=suite.comparison.smoke(),
    )  # fmt: skip
