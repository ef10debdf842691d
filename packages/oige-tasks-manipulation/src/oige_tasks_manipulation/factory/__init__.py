"""Assembly of a nut on a bolt by a Franka Panda, after OmniIsaacGymEnvs' Factory tasks."""
