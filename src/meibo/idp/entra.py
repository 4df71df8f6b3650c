"""Microsoft Entra ID (Azure): the Microsoft Entra provisioning service.

One tenant uses two dialects of PATCH at once: the older one with an operation per attribute,
capitalised operations and booleans as strings, and, once the administrator appends
``?aadOptscim062020`` to the tenant URL, one with flattened keys; provisioning on demand ignores the
flag. So both are always understood.
"""

from meibo.idp import quirks
from meibo.idp.quirks import Vendor

ENTRA = Vendor(
    key="entra",
    label="Entra ID (Azure)",
    source_label="SCIM Entra ID",
    tolerated=quirks.ALL,
)
