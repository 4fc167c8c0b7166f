"""The application that a good engineer would write instead of using the product: the honest baseline.

A photograph goes as JPEG to a server in the cloud, over one kept-alive HTTP connection, with a timeout;
when the cloud fails or is late, MobileNetV2 in int8 answers on the board (onnxruntime's own static
quantization).

    python -m examples.demo.prepare DIR              the fp32 model, labels, pictures, samples
    python -m examples.thirty_lines.quantize DIR     DIR/mobilenetv2_int8.onnx, how often it agrees
    python -m examples.thirty_lines.server DIR       the cloud
    python -m examples.thirty_lines.app DIR --server HOST:PORT [--timeout S] PICTURE...

Law: no `lepton_edge`, no `partitioner`: only what anybody has at hand. `app.Application` is the thirty
lines.
"""
