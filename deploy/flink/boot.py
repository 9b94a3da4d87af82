"""Start a Beam Python worker for Flink (`--environment_type=PROCESS`).

Flink passes a worker id and the address of its provision service, which has all other settings. In a container, Beam's own
boot program does this.
"""

from __future__ import annotations

import argparse
import os
import sys


def main(argv: list[str]) -> None:
    """Get the settings from the provision service, then run the worker until Flink stops it."""
    parser = argparse.ArgumentParser(prog="deploy.flink.boot", description=__doc__)
    parser.add_argument("--id", required=True)
    parser.add_argument("--provision_endpoint", required=True)
    options, _ = parser.parse_known_args(argv)
    import grpc  # takes seconds, as Beam does
    from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
    from apache_beam.runners.worker import sdk_worker_main
    from google.protobuf import json_format, text_format

    with grpc.insecure_channel(options.provision_endpoint) as channel:
        provision = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        info = provision.GetProvisionInfo(request, metadata=[("worker_id", options.id)]).info
    os.environ["WORKER_ID"] = options.id
    os.environ["PIPELINE_OPTIONS"] = json_format.MessageToJson(info.pipeline_options)
    os.environ["LOGGING_API_SERVICE_DESCRIPTOR"] = text_format.MessageToString(info.logging_endpoint)
    os.environ["CONTROL_API_SERVICE_DESCRIPTOR"] = text_format.MessageToString(info.control_endpoint)
    sdk_worker_main.main([])


if __name__ == "__main__":
    main(sys.argv[1:])
