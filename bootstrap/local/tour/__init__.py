"""`cloudjhub local tour`: what cloudJHub does, shown in a local cloud within five minutes. Belongs here: which steps
there are, what they explain, and what a visitor does in them.
"""
