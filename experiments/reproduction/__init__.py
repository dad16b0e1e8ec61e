"""The paper's tables and figures as a plan of runs, and what carries the plan out."""
