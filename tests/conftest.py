"""What holds for every test."""

import functools
import os

import botocore.loaders

# Hundreds of images that no test launches from; the local cloud does without them, too.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

# Each session would read and parse the descriptions of AWS's services anew: most of the time of a test with moto.
botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)
