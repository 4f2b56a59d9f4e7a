"""Synthesis: many findings, one answer, by confidence and authority; works alone, without any graph."""

from concertino.nodes.synthesis.authority import AUTHORITY_WEIGHTS, Authorities, Authority
from concertino.nodes.synthesis.ballot import TextMerger, WeightedText
from concertino.nodes.synthesis.degradation import Outcome, parts, status
from concertino.nodes.synthesis.learned.report import RecordReport, report_on
from concertino.nodes.synthesis.learned.worth import worth_of_one_more
from concertino.nodes.synthesis.result import Calibration, Claim, Dissent, Missing, MissingImpact, Synthesis
from concertino.nodes.synthesis.synthesis import synthesize
from concertino.nodes.synthesis.track_record import TrackRecord
from concertino.nodes.synthesis.vetoes import Consent, Veto

__all__ = [
    "AUTHORITY_WEIGHTS",
    "Authorities",
    "Authority",
    "Calibration",
    "Claim",
    "Consent",
    "Dissent",
    "Missing",
    "MissingImpact",
    "Outcome",
    "RecordReport",
    "Synthesis",
    "TextMerger",
    "TrackRecord",
    "Veto",
    "WeightedText",
    "parts",
    "report_on",
    "status",
    "synthesize",
    "worth_of_one_more",
]
