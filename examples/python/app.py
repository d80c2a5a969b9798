"""A shop of two pages on FastAPI: what a service needs so that its instances may die."""

import asyncio
import os
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel, Field

INSTANCE = os.environ.get("MAINSTAY_INSTANCE", "web-1")
JOURNAL = os.environ.get("JOURNAL", "")

app = FastAPI(title="Example shop")


class Order(BaseModel):
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]


@app.get("/")
async def front() -> dict[str, str | int]:
    await asyncio.sleep(0.01)  # the work
    return {"instance": INSTANCE, "pid": os.getpid()}


@app.post("/orders", status_code=201)
async def take(order: Order, response: Response) -> dict[str, str]:
    if JOURNAL:
        # Written down before it is acknowledged; one short write in append mode stays one line.
        with open(JOURNAL, "a", encoding="utf-8") as journal:  # noqa: ASYNC230, PTH123 - a line, no more
            journal.write(f"{order.id} {INSTANCE} {os.getpid()}\n")
    await asyncio.sleep(0.01)
    response.headers["X-Order-Id"] = order.id
    return {"id": order.id, "instance": INSTANCE}


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"instance": INSTANCE}


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        # Longer than whoever is in front keeps idle connections (60 s), so that it is never the server that
        # closes one just as a request is on its way.
        timeout_keep_alive=75,
        access_log=False,
    )
