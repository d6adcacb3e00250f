"""CloudFormation, carried out as AWS does it: resource by resource by the services' own calls, in its own time.

moto's does most of a template at creation and little of it later: most resources it cannot change, and some not remove.
"""
