"""The paper's quantities and bounds on the features of a finite split."""
