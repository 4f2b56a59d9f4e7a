"""Merging a run's findings: by the formula, or by what the planner's track record teaches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from concertino.contracts.finding import Finding
from concertino.contracts.json import JsonObject
from concertino.graph.dataflow import bodies
from concertino.graph.runs.run import Run
from concertino.nodes.synthesis import Missing, Synthesis, TextMerger, synthesize


class Merging:
    """The findings of one run on their way to one answer. Texts may have to be merged twice; the record is asked as often."""

    def __init__(self, run: Run, findings: Sequence[Finding], missing: Sequence[Missing]) -> None:
        self._run, self._findings, self._missing = run, list(findings), list(missing)
        self._forgotten: str | None = None
        self.record: JsonObject | None = None
        """What is told of the track record, once something was learned from it."""

    async def remembered(self) -> None:
        """Add the findings to the track record."""
        trust = self._run.options.trust
        if trust is not None:
            outcome = await self._apart(partial(trust.remember, self._findings, task_id=self._run.task_id))
            if isinstance(outcome, bodies.Raised):
                self._forgotten = f"the track record took no answers ({_said(outcome.error)})"

    async def merged(self, merge_text: TextMerger | None = None) -> Synthesis:
        """Return the synthesis; by the formula where there is no record, or none that can be learned from in time."""
        trust = self._run.options.trust

        def plainly() -> Synthesis:
            authority = self._run.options.authority
            return synthesize(self._findings, authority=authority, missing=self._missing, merge_text=merge_text)

        if trust is None or not self._findings:
            return plainly()
        outcome = await self._apart(
            partial(
                trust.synthesize,
                self._findings,
                task_id=self._run.task_id,
                plainly=plainly,
                missing=self._missing,
                merge_text=merge_text,
            )
        )
        if isinstance(outcome, bodies.Raised):
            reason = f"nothing was learned from the track record ({_said(outcome.error)}); the formula stands in"
            merged = plainly()
        else:
            merged, self.record = outcome
            reason = None
        told = "; ".join(filter(None, (merged.fallback, reason, self._forgotten)))
        return merged.model_copy(update={"fallback": told}) if told else merged

    async def _apart(self, work: Callable[[], Any]) -> Any:
        left_s = self._run.remaining_s()
        return await bodies.finish(bodies.ThreadWork(work), timeout_s=None if left_s is None else left_s / 2)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
