"""How far a run is: counted, and shown in a terminal, in a notebook, in a log, or to a function of the program's."""
