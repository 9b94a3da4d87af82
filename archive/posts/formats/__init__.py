"""Cut posts files of any format into entries."""
