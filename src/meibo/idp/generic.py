"""Any other SCIM 2.0 client: authentik, Keycloak, OneLogin, JumpCloud, PingOne, SailPoint ..."""

from meibo.idp import quirks
from meibo.idp.quirks import Vendor

OTHER = Vendor(key="other", label="Other SCIM 2.0", source_label="SCIM", tolerated=quirks.ALL)
