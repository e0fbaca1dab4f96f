"""`crossmodal up` and `crossmodal down`: the web UI and the online service under supervisord."""
