"""What binds every plan of a task, whoever makes it and whenever: at planning, after a failure, or by hand."""

from __future__ import annotations

from concertino.contracts.errors import PlanInvalid
from concertino.contracts.plan import Plan
from concertino.contracts.task import Task
from concertino.graph.options import Options
from concertino.graph.runs.run import Run
from concertino.nodes.planning.cone import Refused
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.first_draft import under
from concertino.nodes.planning.rules import plan_by_rules


def binding(run: Run, plan: Plan) -> Draft:
    """Return what binds every plan of a run's task; found once, since neither task nor workflow change under way.

    Raises:
        Refused: the workflow is not what it was.
    """
    if run.bound_by is None:
        run.bound_by = bound_by(run.options, run.task, plan)
    return run.bound_by


def bound_by(options: Options, task: Task, plan: Plan) -> Draft:
    """Return what binds `plan`: the planner's own constraints and gates, and those of the plan's workflow.

    Raises:
        Refused: the workflow is not what it was.
    """
    if plan.workflow is None or plan.origin == "caller":  # a caller may call his plan what he likes
        return _under_own(options, Draft({}, plan.origin))
    found = [one for one in options.workflows if one.name == plan.workflow]
    try:
        ruled = plan_by_rules(task, found, limits=options.limits)
    except PlanInvalid as error:
        raise Refused(f"workflow {plan.workflow} does not fit its task any more: {error}") from error
    if ruled is None:
        raise Refused(f"workflow {plan.workflow}, which binds the plan, is not here or does not match any more")
    return _under_own(options, ruled)


def _under_own(options: Options, draft: Draft) -> Draft:
    return under(draft, constraints=options.constraints, gates=options.gates)
