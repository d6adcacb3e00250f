"""The lifecycle manager: records what workers do and stops idle ones. Runs as AWS Lambda functions."""

import warnings

# requests says so at each cold start; see requirements.txt.
warnings.filterwarnings("ignore", message="Unable to find acceptable character detection dependency")
