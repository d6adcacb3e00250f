"""CloudFormation as AWS does it: stacks and change sets, resource by resource by the services' own calls, in the
background, rolled back on failure. moto's does most of a template at creation and little of it later: it cannot change
most resources, and cannot delete some. What a resource itself is belongs to its service's package."""
