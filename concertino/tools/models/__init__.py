"""Chat models behind the guard: what they may use is bounded before a request leaves, and charged when it is back.

`governed` holds models of ours, `foreign` what LangChain code inside a specialist calls on its own; `tokens` and
`prices` bound a request, `sources` reads what a model is given as, and `roster` says whose it is.
"""
