"""Handing secrets to one command: its environment, its process group, its filtered output."""
