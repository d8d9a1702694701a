"""Repeatables: functions, views, triggers and grants, deployed when their rendering changes."""
