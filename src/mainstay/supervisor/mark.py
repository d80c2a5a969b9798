"""The mark that all processes of a system bear, in their environment: whose they are, and which life."""

# Not the variable that tells the commands a run directory: what runs within an instance is no part of the system.
RUN_DIR = "MAINSTAY_OWNER"
INSTANCE = "MAINSTAY_INSTANCE"
GENERATION = "MAINSTAY_GENERATION"
