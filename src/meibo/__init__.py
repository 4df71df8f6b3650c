"""Meibo (名簿): SCIM 2.0 user provisioning."""
