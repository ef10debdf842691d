"""FrankaCabinet: a robot arm opens the drawer of a kitchen cabinet."""
