"""The figures: data in, a matplotlib Figure out, one in each module. May import ground and statistics."""

import matplotlib

matplotlib.rcdefaults()  # nothing of a user's matplotlibrc is to reach a figure
matplotlib.rcParams["text.parse_math"] = False  # a dollar in a class's name is one
