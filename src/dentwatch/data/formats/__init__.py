"""Annotation formats, in and out: COCO, YOLO, Pascal VOC, Label Studio, CVAT, and Dentwatch's own sidecar."""
