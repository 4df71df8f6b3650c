"""A pretended Entra ID or Okta provisioning service: a client for any SCIM 2.0 server.

``simulate(plan, progress)`` carries a made-up company to a server as the real services do, lets
people join, move, marry and leave, and reads everything back at the end. The service itself never
imports this package.
"""

from meibo.simulator.plan import ALL_FAULTS, LABELS, Fault, Plan, Vendor, is_loopback
from meibo.simulator.progress import NoProgress, Progress, Step, open_progress
from meibo.simulator.report import (
    Difference,
    Refusal,
    Report,
    Tally,
    Verification,
    print_report,
)
from meibo.simulator.runner import simulate

__all__ = [
    "ALL_FAULTS",
    "LABELS",
    "Difference",
    "Fault",
    "NoProgress",
    "Plan",
    "Progress",
    "Refusal",
    "Report",
    "Step",
    "Tally",
    "Vendor",
    "Verification",
    "is_loopback",
    "open_progress",
    "print_report",
    "simulate",
]
