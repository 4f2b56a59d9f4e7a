"""Reports: what a suite came to, as one JSON object, and that object as a table, as JUnit XML, as a page, and against another."""

from concertino.evals.reports.difference import Difference, compare
from concertino.evals.reports.junit import junit
from concertino.evals.reports.page import page
from concertino.evals.reports.report import report, run_report

__all__ = ["Difference", "compare", "junit", "page", "report", "run_report"]
