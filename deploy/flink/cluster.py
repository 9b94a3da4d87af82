"""Run the command on a standalone Flink cluster on this machine.

    python -m deploy.flink.cluster -- --posts 'posts-*.jsonl' --output out/flink

It starts a JobManager and TaskManagers on free loopback ports, runs run_pipeline.py on them with the options after `--`,
and stops them, also when interrupted. `make flink` downloads the jars. It needs Java 11 or 17.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from archive.command_line import Parser
from models.inference.devices import usable_cores
from pipeline.process import EXIT_FAILED, EXIT_INTERRUPTED

ROOT = Path(__file__).parent.parent.parent
JARS = Path(__file__).parent / "target" / "jars"
OPENED = (
    "java.lang",
    "java.net",
    "java.io",
    "java.nio",
    "java.lang.reflect",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
)
JAVA = [
    "java",
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED),
    "-XX:MaxDirectMemorySize=768m",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
]
JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
START_S = 90.0
STOP_S = 20.0
RESTARTS = 5


class Cluster:
    """A context manager that starts and stops a JobManager and TaskManagers.

    Args:
        jars: folder of Beam's Flink runner and its dependencies.
        folder: for configuration and logs.
        task_managers: number of TaskManagers, each with one slot.

    Attributes:
        web: address of the JobManager's web page and REST interface.
        processes: the JobManager, then the TaskManagers.
    """

    def __init__(self, jars: Path, folder: Path, task_managers: int) -> None:
        self._jars, self._folder, self._task_managers = jars.resolve(), folder, task_managers
        self._rpc, self._rest = free_port(), free_port()
        self.web = f"127.0.0.1:{self._rest}"
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        if not list(self._jars.glob("beam-runners-flink-*.jar")):
            raise RuntimeError(f"--jars {self._jars} holds no jar of Beam's Flink runner: `make flink` downloads them")
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "config.yaml").write_text(json.dumps(self._config(), indent=1))
        try:
            self._start(JOB_MANAGER, "job-manager", "512m", "--executionMode", "cluster")
            for number in range(self._task_managers):
                self.start_task_manager(number)
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes):
            kill(process)

    def start_task_manager(self, number: int) -> subprocess.Popen[bytes]:
        """Start one more TaskManager, for example to replace one that was killed."""
        return self._start(TASK_MANAGER, f"task-manager-{number}", "768m")

    def options(self) -> list[str]:
        """Return Beam's options for a run on this cluster. The TaskManagers share the cores."""
        boot = self._folder / "boot.sh"
        boot.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m deploy.flink.boot "$@"\n')
        boot.chmod(0o755)
        return [
            "--runner=FlinkRunner",
            "--flink_version=1.19",
            f"--flink_master={self.web}",
            f"--flink_job_server_jar={self._job_server()}",
            f"--parallelism={self._task_managers}",
            "--environment_type=PROCESS",
            f"--environment_config={json.dumps({'command': str(boot)})}",
            "--environment_cache_millis=600000",  # else each stage starts its own workers, which load the models again
            f"--threads={max(1, usable_cores() // self._task_managers)}",
        ]

    def _start(self, main: str, name: str, heap: str, *more: str) -> subprocess.Popen[bytes]:
        log = (self._folder / f"{name}.log").open("ab")
        command = [*JAVA, f"-Xmx{heap}", "-cp", f"{self._jars}/*", main, "--configDir", str(self._folder), *more]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        return process

    def _wait(self) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if any(process.poll() is not None for process in self.processes):
                raise RuntimeError(f"a process of the cluster has ended: {self._log_tails()}")
            try:
                if self.ask("overview")["slots-total"] >= self._task_managers:
                    return
            except OSError:
                pass
            time.sleep(0.5)
        raise RuntimeError(f"the cluster was not up after {START_S:.0f} s: {self._log_tails()}")

    def _log_tails(self) -> str:
        """Return the ends of the logs for an error message, since the folder is temporary."""
        return "".join(f"\n{log.name}:\n{log.read_text(errors='replace')[-2000:]}" for log in sorted(self._folder.glob("*.log")))

    def ask(self, path: str) -> Any:
        """Return the answer of the JobManager's REST interface to a GET request."""
        with urllib.request.urlopen(f"http://{self.web}/{path}", timeout=5) as answer:
            return json.load(answer)

    def _job_server(self) -> Path:
        """Write a jar that only lists the other jars and the main class, and return its path."""
        jar = self._folder / "job-server.jar"
        line = "Class-Path: " + " ".join(path.as_uri() for path in sorted(self._jars.glob("*.jar")))
        folded = line[:70] + "".join("\n " + line[start : start + 69] for start in range(70, len(line), 69))
        with zipfile.ZipFile(jar, "w") as archive:
            archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\nMain-Class: {JOB_SERVER}\n{folded}\n")
        return jar

    def _config(self) -> dict[str, Any]:
        memory = {
            "framework.heap": 128,
            "framework.off-heap": 128,
            "task.heap": 256,
            "task.off-heap": 128,
            "managed": 256,
            "jvm-metaspace": 256,
        }
        sized = (("network", "256m"), ("jvm-overhead", "64m"))  # 64 MB of network buffers are too few for the graph
        return {
            "jobmanager.rpc.address": "127.0.0.1",
            "jobmanager.bind-host": "127.0.0.1",
            "jobmanager.rpc.port": self._rpc,
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
            "rest.port": self._rest,
            "rest.bind-port": str(self._rest),
            "taskmanager.host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1",
            "taskmanager.numberOfTaskSlots": 1,
            "taskmanager.cpu.cores": 1,
            **{f"taskmanager.memory.{part}.{end}": size for part, size in sized for end in ("min", "max")},
            **{f"taskmanager.memory.{part}.size": f"{size}m" for part, size in memory.items()},
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": RESTARTS,
            "restart-strategy.fixed-delay.delay": "2 s",
            "heartbeat.timeout": 10_000,
            "heartbeat.interval": 2_000,
            "io.tmp.dirs": str(self._folder),
        }


def free_port() -> int:
    """Return a free loopback port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that was started in its own session, and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = Parser("deploy.flink.cluster", __doc__)
    parser.add_argument("--jars", type=Path, default=JARS, help="folder of the jars that deploy/flink/pom.xml downloads")
    parser.add_argument("--task_managers", type=int, default=2, help="how many TaskManagers")
    parser.add_argument("run", nargs="+", help="options of run_pipeline.py, after --")
    options = parser.parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(EXIT_INTERRUPTED))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="postner-flink-") as folder,
            Cluster(options.jars, Path(folder), options.task_managers) as cluster,
        ):
            print(f"Flink is up: http://{cluster.web}", flush=True)
            return _run([*cluster.options(), *options.run])
    except RuntimeError as error:
        print(f"deploy.flink.cluster: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(options: list[str]) -> int:
    """Run run_pipeline.py in its own session. On an interruption it gets SIGINT, then its whole session is killed."""
    process = subprocess.Popen([sys.executable, "run_pipeline.py", *options], cwd=ROOT, start_new_session=True)
    try:
        return process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        raise
    finally:
        kill(process)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
