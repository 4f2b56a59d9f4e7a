"""Budgets: the hierarchical ledger that no run can overshoot, and deadlines over active time."""

from concertino.budgets.account import Account, Path
from concertino.budgets.alerts import MARKS, Alert
from concertino.budgets.amounts import NOTHING, Amounts, amounts
from concertino.budgets.books import Breach, Leak, Reservation
from concertino.budgets.deadline import ActiveTime, Deadline
from concertino.budgets.ledger import SYNTHESIZE, Ledger
from concertino.budgets.reallocation import Move, Party

__all__ = [
    "MARKS",
    "NOTHING",
    "SYNTHESIZE",
    "Account",
    "ActiveTime",
    "Alert",
    "Amounts",
    "Breach",
    "Deadline",
    "Leak",
    "Ledger",
    "Move",
    "Party",
    "Path",
    "Reservation",
    "amounts",
]
