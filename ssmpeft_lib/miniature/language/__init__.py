"""A small synthetic language: words, clauses, statements, questions, records, dialogues and SQL.

The miniatures ask about it in the formats of the real data sets, and the pretraining text of the stand-ins is made of
it in other words. Every generator takes a `random.Random` and is a pure function of its state.
"""
