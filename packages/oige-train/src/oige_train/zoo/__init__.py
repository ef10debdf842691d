"""Pages that play tasks in a browser: programs recorded from torch tasks, models, geometry and the page itself."""
