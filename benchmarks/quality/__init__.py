"""Every model of ours beside other people's libraries, on the same splits and the same measures."""
