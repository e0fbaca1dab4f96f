"""Names of the columns that readers add: no column of a user's file may be named so by chance."""

PART = "part:"
"""Which of several files a row is from."""

ROW = "part:row"
"""The number of a row in its file, from 1, without the header."""

FAULT = "part:fault"
"""Why a row cannot be taken apart, null where it can."""

SHORT = "part:short"
"""Whether a row ended before its last column."""

ID_FAULT = "part:id_fault"
"""Why an id cannot be used."""

VALUE_FAULT = "part:value_fault"
"""Why a value cannot be used."""

WHOLE = "part:whole"
"""A hash of all that a row holds, of which two that differ are not the same row."""
