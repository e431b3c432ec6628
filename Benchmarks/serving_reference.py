"""A server of predictions as one writes it with FastAPI and PyTorch, for Benchmarks/serving.

    serving_reference.py --model EXPORT --port P --threads N --max-batch N --max-wait MS [--frozen]

EXPORT is what `domainfusion export --format pth` writes. Images are decoded by Pillow in threads, and wait for each other in a
queue, whose batches one thread gives to the network: in evaluation, without gradients, channels-last. --frozen has PyTorch fold
batch norm first (torch.jit.optimize_for_inference).
"""

import argparse
import asyncio
import concurrent.futures
import contextlib
import io
import json
import pathlib
import sys

import numpy
import torch
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from PIL import Image

try:
    import timm
except RuntimeError:
    # A torchvision of another torch, which timm imports, lacks operators that nobody needs here.
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm


class Network:
    def __init__(self, folder, is_frozen):
        self.settings = json.loads((folder / "preprocessing.json").read_text())
        self.classes = self.settings["classes"]
        self.size = self.settings["image_size"]
        model = timm.create_model(self.settings["architecture"], num_classes=len(self.classes)).eval()
        model.load_state_dict(torch.load(folder / "model.pth", weights_only=True))
        self.model = model.to(memory_format=torch.channels_last)
        if is_frozen:
            example = torch.zeros(1, 3, self.size, self.size).to(memory_format=torch.channels_last)
            with torch.inference_mode():
                self.model = torch.jit.optimize_for_inference(torch.jit.trace(self.model, example))
        self.mean = torch.tensor(self.settings["mean"]).reshape(1, 3, 1, 1)
        self.deviation = torch.tensor(self.settings["std"]).reshape(1, 3, 1, 1)

    def decode(self, body):
        image = Image.open(io.BytesIO(body)).convert("RGB")
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), Image.BILINEAR)
        return torch.from_numpy(numpy.asarray(image).copy())

    @torch.inference_mode()
    def probabilities(self, images):
        batch = torch.stack(images).permute(0, 3, 1, 2)
        batch = (batch.float().mul_(self.settings["rescale"]) - self.mean) / self.deviation
        return self.model(batch.contiguous(memory_format=torch.channels_last)).softmax(1).tolist()


async def collect(queue, limit, patience, network, worker):
    loop = asyncio.get_running_loop()
    while True:
        jobs = [await queue.get()]
        end = loop.time() + patience
        while len(jobs) < limit:
            try:
                jobs.append(queue.get_nowait())
            except asyncio.QueueEmpty:
                if (rest := end - loop.time()) <= 0:
                    break
                try:
                    jobs.append(await asyncio.wait_for(queue.get(), rest))
                except asyncio.TimeoutError:
                    break
        rows = await loop.run_in_executor(worker, network.probabilities, [image for image, _ in jobs])
        for (_, answer), row in zip(jobs, rows):
            answer.set_result(row)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--max-batch", type=int, required=True)
    parser.add_argument("--max-wait", type=float, required=True)
    parser.add_argument("--frozen", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = Network(arguments.model, arguments.frozen)
    decoders = concurrent.futures.ThreadPoolExecutor(arguments.threads)
    worker = concurrent.futures.ThreadPoolExecutor(1)
    queue = asyncio.Queue()

    @contextlib.asynccontextmanager
    async def lifespan(app):
        collector = asyncio.create_task(
            collect(queue, arguments.max_batch, arguments.max_wait / 1000, network, worker))
        yield
        collector.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/predict")
    async def predict(request: Request, top: int = 3):
        body = await request.body()
        loop = asyncio.get_running_loop()
        try:
            image = await loop.run_in_executor(decoders, network.decode, body)
        except Exception as error:
            raise HTTPException(422, str(error))
        answer = loop.create_future()
        queue.put_nowait((image, answer))
        row = await answer
        best = sorted(range(len(row)), key=lambda index: -row[index])[:top]
        return {"images": [{"predictions": [{"class": network.classes[i], "probability": row[i]} for i in best]}]}

    @app.get("/readyz")
    async def ready():
        return {"status": "ready"}

    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False)


sys.exit(main())
