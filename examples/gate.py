"""A gate: a payment waits for a person while everything else goes on; the run parks and is taken up with the answer.

Run it: python examples/gate.py
"""

from __future__ import annotations

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from concertino import Brief, Finding, create_planner, specialist


@specialist("clerk")
async def clerk(brief: Brief) -> Finding:
    return Finding(output={"invoice": "2026-17", "amount": 950})


@specialist("cashier", delivery="at_most_once")
def cashier(brief: Brief) -> Finding:
    key = brief.effect_key("pay")  # the same on every attempt, for whoever takes the payment
    return Finding(output={"paid": brief.inputs["amount"], "key": key.split(":")[-1]})


PLAN = {
    "subtasks": [
        {"id": "read", "specialist": "clerk", "objective": "Read the invoice."},
        {
            "id": "pay",
            "specialist": "cashier",
            "inputs": {"amount": "${read.amount}"},
            "gate": {"question": "Pay this invoice?"},
        },
        {"id": "file", "specialist": "clerk", "objective": "File the invoice."},
    ]
}


def main() -> None:
    graph = create_planner(specialists=[clerk, cashier], checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "invoices"}}
    out = graph.invoke({"task": {"task_id": "invoice-17", "title": "Pay an invoice", "plan": PLAN}}, thread)
    asked = out["__interrupt__"][0].value
    print("asked:", asked["gate"], "-", asked["question"], asked["gates"][0]["details"]["upstream"])
    # Or {"decision": "accept"}, or {"decision": "reject", "reason": "..."}; this may be days later.
    answer = {"decision": "edit", "inputs": {"amount": 900}}
    result = graph.invoke(Command(resume={"pay": answer}), thread)["result"]
    print("status:", result["status"])
    print({entry["subtask_id"]: entry["outputs"] for entry in result["subtasks"]}["pay"])


if __name__ == "__main__":
    main()
