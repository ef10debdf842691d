"""``oige-random-policy``, under the name of its script in OmniIsaacGymEnvs."""

from oige_train.cli.random_policy import main

if __name__ == "__main__":
    main()
