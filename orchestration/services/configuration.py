"""The configuration of supervisord: which programs it keeps alive, and how it ends them."""

import math
import os
import shlex
import sys
from collections.abc import Mapping

from crossmodal.ending import SERVICE_SECONDS, UI_SECONDS
from crossmodal.paths import StatePaths
from crossmodal.settings import ENV_PREFIX, Settings
from orchestration.services.places import socket_of

UI, SERVICE = "ui", "serve"
GROUP = "crossmodal"
"""Of both programs: supervisord ends one group after another, but the programs of one together."""

NAMES = {UI: "web UI", SERVICE: "online service"}
"""What people call the programs."""

RETRIES = 3
"""How often a program that ends while it starts is started again."""

_START_SECONDS = 10
"""Whatever ends sooner has not started: what is wrong is often seen only after some seconds."""

_MARGIN_SECONDS = 15
_LOGS = "LOGS_OF_CROSSMODAL"
"""A variable, since supervisord replaces what is in this one option twice."""

_SOCKET = "SOCKET_OF_CROSSMODAL"

_LOG = "maxbytes=10MB", "backups=5"

_HEAD = """\
; Written by `crossmodal up`, each time it starts the supervisor.
[unix_http_server]
file=%(ENV_{socket})s
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisord]
pidfile=%(ENV_CROSSMODAL_HOME)s/services/supervisord.pid
logfile=%(ENV_CROSSMODAL_HOME)s/logs/supervisord.log
childlogdir=%(ENV_CROSSMODAL_HOME)s/logs
{log}
umask={umask:03o}
strip_ansi=true
"""
# The signal goes to the program alone: it ends its own processes in order, and one that decodes a
# picture for a request has to live until that request is answered.
_PROGRAM = """
[program:{name}]
command={command}
autorestart=true
startsecs={start}
startretries={retries}
stopsignal=TERM
stopwaitsecs={stop}
killasgroup=true
redirect_stderr=true
stdout_logfile=%(ENV_{logs})s/{name}.log
{log}
"""


def configuration(settings: Settings, ui_port: int) -> str:
    """What supervisord reads. Settings reach the programs by its own environment.

    So do paths: in supervisord's own language, some characters of a path would mean something else.
    """
    seconds = stop_seconds(settings)
    commands = {
        UI: ["ui", "--port", str(ui_port)],
        SERVICE: ["serve", "--port", str(settings.serve_port)],
    }
    parts = [_HEAD.format(socket=_SOCKET, log=_rotated("logfile_"), umask=_umask())]
    if hasattr(os, "getuid") and os.getuid() == 0:
        # Otherwise it warns of what was meant.
        parts.append("user=root\n")
    for name, words in commands.items():
        program = _PROGRAM.format(
            name=name,
            logs=_LOGS,
            command=_command(words),
            start=_START_SECONDS,
            retries=RETRIES,
            stop=seconds[name],
            log=_rotated("stdout_logfile_"),
        )
        parts.append(program)
    parts.append(f"\n[group:{GROUP}]\nprograms={','.join(commands)}\n")
    return "".join(parts)


def environment(settings: Settings) -> dict[str, str]:
    """What the supervisor and its programs are given: this process's own, and what `up` decides."""
    unattended = settings.unattended or "unattended" not in settings.model_fields_set
    paths = StatePaths(settings.home)
    return {
        **os.environ,
        f"{ENV_PREFIX}HOME": str(settings.home),
        _SOCKET: str(socket_of(paths)),
        _LOGS: str(paths.logs).replace("%", "%%"),
        f"{ENV_PREFIX}UNATTENDED": str(unattended).lower(),
        "PYTHONUNBUFFERED": "1",
    }


def stop_seconds(settings: Settings) -> Mapping[str, int]:
    """How long each program may take to end in order, and a little more."""
    service = math.ceil(settings.serve_stop_seconds) + SERVICE_SECONDS
    return {UI: int(UI_SECONDS + _MARGIN_SECONDS), SERVICE: int(service + _MARGIN_SECONDS)}


def _rotated(prefix: str) -> str:
    return "\n".join(prefix + option for option in _LOG)


def _command(words: list[str]) -> str:
    return shlex.join([sys.executable, "-m", "orchestration.cli", *words]).replace("%", "%%")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
