"""DynamoDB, EC2, CloudWatch and the hub behind the protocols of `use_cases.ports`. Decisions belong in `model`."""

import warnings

# requests says so at each cold start; see requirements.in.
warnings.filterwarnings("ignore", message="Unable to find acceptable character detection dependency")
