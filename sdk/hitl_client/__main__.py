"""`python -m hitl_client`: the command line where no script is installed."""

from hitl_client.cli.app import main

main()
