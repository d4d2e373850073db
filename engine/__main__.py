"""`python -m engine` is `pointsman`."""

from engine.cli import main

main(prog_name="pointsman")
