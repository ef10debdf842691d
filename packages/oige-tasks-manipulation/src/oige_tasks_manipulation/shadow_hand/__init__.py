"""The ShadowHand tasks: a Shadow Dexterous Hand turns a block."""
