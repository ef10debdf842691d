"""``oige-train``, under the name of its script in OmniIsaacGymEnvs."""

from oige_train.cli.train import main

if __name__ == "__main__":
    main()
