"""Three functions and a plan: two look into a company side by side, the third builds on what they found.

Run it: python examples/three_functions.py
"""

from __future__ import annotations

from concertino import Brief, Budget, Finding, create_planner, specialist


@specialist("financial", authority=0.8, budget=Budget(calls=3, seconds=10))
async def financial(brief: Brief) -> Finding:
    await brief.spend(calls=1)  # charged before anything is called; refused when it would pass a limit
    return Finding(output={"risk": 0.2}, confidence=0.9, evidence=["annual report"])


@specialist("legal", authority=1.0)
def legal(brief: Brief) -> Finding:  # a plain function runs in a thread of its own
    return Finding(output={"risk": 0.5}, confidence=0.6, evidence=["court register"])


@specialist("writer", authority=0.5)
def writer(brief: Brief) -> Finding:
    highest = max(found.output["risk"] for found in brief.upstream.values())
    return Finding(
        output={"risk": brief.inputs["money"], "advice": "wait" if highest > 0.4 else "go on"}, confidence=0.8
    )


def main() -> None:
    graph = create_planner(specialists=[financial, legal, writer], budget=Budget(calls=10, seconds=60), concurrency=8)
    plan = {
        "subtasks": [
            {"id": "money", "specialist": "financial", "objective": "How likely is it to run out of money?"},
            {"id": "law", "specialist": "legal", "objective": "What is it being sued for?"},
            {
                "id": "advice",
                "specialist": "writer",
                "needs": ["law"],  # that it needs `money` too follows from its inputs
                "inputs": {"money": "${money.risk}"},
                "objective": "Say what to do.",
            },
        ]
    }
    task = {"task_id": "acme", "title": "How risky is Acme?", "plan": plan}
    result = graph.invoke({"task": task})["result"]
    print("status:", result["status"])
    print("answer:", result["answer"])
    print("confidence:", round(result["confidence"], 3))
    print("calls used:", result["usage"]["calls"], "of", result["limits"]["calls"])


if __name__ == "__main__":
    main()
