"""A second form of a method in each module, named like its module in `simulator.methods`."""
