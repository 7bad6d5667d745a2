"""What stands beside the SSM mixers in hybrid models, one kind a file: slots that the paper adapts in Jamba."""
