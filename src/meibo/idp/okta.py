"""Okta: integrations of its network, the app wizard and the SCIM template apps.

What Okta sends is close to the RFCs; its requirements concern answers more than requests. A tenant
may put other sources in front of it whose values it passes on, so it is not held to more than the
others are.
"""

from meibo.idp import quirks
from meibo.idp.quirks import Vendor

OKTA = Vendor(key="okta", label="Okta", source_label="SCIM Okta", tolerated=quirks.ALL)
