"""CloudFormation templates as pure functions: settings in, a template dict out. YAML files hold the constant parts."""

from bootstrap.cluster.templates.cluster import BillAlarm, access_template, data_template
from bootstrap.cluster.templates.network import network_template
from bootstrap.cluster.templates.place import Position, place_template

__all__ = ["BillAlarm", "Position", "access_template", "data_template", "network_template", "place_template"]
