"""Budgets: the hierarchical ledger that no run can overshoot."""

from concertino.budgets.account import Account, Path
from concertino.budgets.alerts import MARKS, Alert
from concertino.budgets.amounts import NOTHING, Amounts, amounts
from concertino.budgets.books import Breach, Leak, Reservation
from concertino.budgets.ledger import SYNTHESIZE, Ledger
from concertino.budgets.reallocation import Move, Party

__all__ = [
    "MARKS",
    "NOTHING",
    "SYNTHESIZE",
    "Account",
    "Alert",
    "Amounts",
    "Breach",
    "Leak",
    "Ledger",
    "Move",
    "Party",
    "Path",
    "Reservation",
    "amounts",
]
