"""Devices and processes: mesh, sharding table, start-up."""
