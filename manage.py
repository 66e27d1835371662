#!/usr/bin/env python3
import os
import sys

from django.core.management import execute_from_command_line

from kvmweb.environment import step_down

if __name__ == "__main__":
    step_down()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kvmweb.settings")
    execute_from_command_line(sys.argv)
