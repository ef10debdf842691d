"""``omni.isaac.core.utils.torch``: tensor helpers that task code calls, also from scripted functions."""
