"""Vision models: object detection, and features of pictures on a 7 x 7 grid."""
