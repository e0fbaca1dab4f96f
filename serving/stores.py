"""What the service writes to, looked at before anything starts: a failure is one sentence."""

from crossmodal import event_log, item_log
from crossmodal.paths import StatePaths
from crossmodal.store_errors import require_writable
from serving import rate_limit


def require_stores(paths: StatePaths) -> None:
    """Opens every store of the service, writes to it, and looks for damage for some seconds.

    Raises:
        StoreError: one cannot be used; the message names its file and the way out.
    """
    require_writable(paths.event_log.parent)
    event_log.require_usable(paths.event_log)
    item_log.require_usable(paths.item_log, paths.uploads)
    rate_limit.require_usable(paths.rate_limits)
