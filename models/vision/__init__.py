"""Pictures: decoding, object detection, and features on a 7 x 7 grid."""
