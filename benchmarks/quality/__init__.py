"""Every model of ours and of other people's libraries, on the same splits and the same measures."""
