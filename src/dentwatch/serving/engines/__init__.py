"""What runs a model's ONNX graph: ONNX Runtime always, OpenVINO where it is installed, and the choice between them."""
