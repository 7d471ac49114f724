"""Spoken by contract: the model behind the routes that other serving systems have made common.

- Open Inference Protocol v2 (KServe, Triton, MLServer, …): ``/v2/…``, see :mod:`.open_inference`;
- SageMaker's container contract: ``/ping`` and ``/invocations``, see :mod:`.sagemaker`;
- TensorFlow Serving's REST API: ``/v1/models/…``, see :mod:`.tensorflow_serving`.

These routes keep nothing: they answer what ``dentwatch inspect`` answers, as fast as HTTP allows. docs/contracts.md
shows what is supported of each.
"""

from fastapi import FastAPI

from dentwatch.serving.contracts import open_inference, openapi, sagemaker, tensorflow_serving
from dentwatch.serving.contracts.operation import Endpoint, Guard
from dentwatch.serving.contracts.served_model import ServedModel
from dentwatch.serving.service import InspectionService
from dentwatch.settings import Settings


def install(app: FastAPI, service: InspectionService, settings: Settings, guard: Guard | None = None) -> None:
    """Let ``app`` answer the three contracts with ``service``, and its OpenAPI document describe them.

    ``guard`` is awaited with every request but health checks, before its body is read; it refuses by raising an
    ``HTTPException``, which is then answered in the contract's own form.
    """
    model = ServedModel(service, settings)
    operations = [
        *open_inference.operations(model),
        *sagemaker.operations(model),
        *tensorflow_serving.operations(model),
    ]
    for operation in operations:
        endpoint = Endpoint(operation, guard)
        for path in operation.paths:
            # Starlette takes an object with ASGI's signature as it is, which add_route's annotation does not say.
            app.router.add_route(path, endpoint, name=operation.name, include_in_schema=False)  # type: ignore[arg-type]
    openapi.describe(app, operations)
