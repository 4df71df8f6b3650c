-- The provisioning log. On SQLite a file of its own, on PostgreSQL beside the directory. The ids of
-- requests are UUIDv7: their order is that of time.

CREATE TABLE requests (
    tenant         BIGINT   NOT NULL,
    id             TEXT     NOT NULL,
    at             BIGINT   NOT NULL,
    connection     BIGINT   NOT NULL,
    token          TEXT     NOT NULL,
    method         TEXT     NOT NULL,
    target         TEXT     NOT NULL,
    action         TEXT     NOT NULL,
    resource_type  TEXT,
    resource_id    TEXT,
    resource_name  TEXT,
    status         SMALLINT NOT NULL,
    scim_type      TEXT,
    detail         TEXT,
    quirks         TEXT,
    ignored        TEXT,
    microseconds   BIGINT   NOT NULL,
    address        TEXT     NOT NULL,
    user_agent     TEXT     NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- What was tried with a resource. Reads are left out: they come in no order of ids, so each would
-- touch another page of the index, which costs more than all the rest of the row.
CREATE INDEX requests_resource ON requests (tenant, resource_id, id)
    WHERE resource_id IS NOT NULL AND method <> 'GET';

-- Log-ins that were refused, collapsed per address, reason, token and minute. The tenant is the one
-- that the URL names; a token is named only when its key id is known.
CREATE TABLE refused_logins (
    slug        TEXT     NOT NULL,
    minute      BIGINT   NOT NULL,
    address     TEXT     NOT NULL,
    reason      TEXT     NOT NULL,
    token       TEXT     NOT NULL,
    times       BIGINT   NOT NULL,
    user_agent  TEXT     NOT NULL,
    PRIMARY KEY (slug, minute, address, reason, token)
);
