"""Drafting: a model plans what rules leave open, within everything that binds a plan; else the fallback stands in."""

from concertino.nodes.planning.drafting.cache import PlanCache
from concertino.nodes.planning.drafting.cone import draft_cone
from concertino.nodes.planning.drafting.drafted import Drafted, draft_plan
from concertino.nodes.planning.requirements import requirements_of

__all__ = ["Drafted", "PlanCache", "draft_cone", "draft_plan", "requirements_of"]
