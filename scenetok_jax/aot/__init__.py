"""What a program would do on a slice that you do not own."""
