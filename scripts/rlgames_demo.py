"""``oige-demo``, under the name of its script in OmniIsaacGymEnvs."""

from oige_train.cli.demo import main

if __name__ == "__main__":
    main()
