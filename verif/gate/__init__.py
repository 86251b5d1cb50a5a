"""The testbenches of the RTL, run on what synthesis makes of it: tiles, a layer, a small whole chip (`make gate`)."""
