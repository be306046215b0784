"""What is measured of predictions and features, one file each."""
