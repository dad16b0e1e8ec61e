"""The paper's tables and figures as a plan of runs, and the code that carries it out."""
