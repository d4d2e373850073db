"""The files of deploy/; the schemas they are checked against come with the dev extra only."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("kubernetes_validate") else ["test_kubernetes.py"]
