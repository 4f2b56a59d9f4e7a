"""Planning: a task becomes a validated plan, by rules here, by a model where rules end.

`first_draft.first_draft` and `validate.validate_draft` are the way through; a model's drafter returns the same `Draft`.
"""
