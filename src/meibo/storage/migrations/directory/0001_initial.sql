-- The directory, and who may come in. Every key begins with the tenant (docs/decisions/0003).
-- Times are microseconds since 1970 in UTC. "body" is the JSON that is answered, "search" the same
-- values in the form in which filters compare them; both are text, never a database's JSON type.

CREATE TABLE tenants (
    id       BIGINT     NOT NULL PRIMARY KEY,
    slug     exact_text NOT NULL,
    created  BIGINT     NOT NULL
);
CREATE UNIQUE INDEX tenants_slug ON tenants (slug);

CREATE TABLE connections (
    tenant    BIGINT     NOT NULL REFERENCES tenants (id),
    id        BIGINT     NOT NULL,
    vendor    exact_text NOT NULL,
    name      exact_text NOT NULL,
    strict    SMALLINT   NOT NULL,
    settings  exact_text NOT NULL,
    created   BIGINT     NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX connections_name ON connections (tenant, name);

-- The id is the public part of the token (its key id). A deleted token keeps its row, so that a
-- client that still sends it can be told from one that guesses, but has no slot any more.
CREATE TABLE tokens (
    tenant              BIGINT     NOT NULL,
    id                  exact_text NOT NULL,
    connection          BIGINT     NOT NULL,
    slot                SMALLINT   CHECK (slot IN (1, 2)),
    status              exact_text NOT NULL CHECK (status IN ('active', 'inactive', 'deleted')),
    description         exact_text NOT NULL,
    secret_hash         exact_text NOT NULL,
    previous_hash       exact_text,
    previous_until      BIGINT,
    expires             BIGINT,
    created             BIGINT     NOT NULL,
    created_by          exact_text NOT NULL,
    last_used           BIGINT,
    last_address        exact_text,
    last_user_agent     exact_text,
    previous_last_used  BIGINT,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id)
);
-- At most two tokens for each connection, also when several are generated at once.
CREATE UNIQUE INDEX tokens_slot ON tokens (tenant, connection, slot);

CREATE TABLE attributes (
    tenant    BIGINT     NOT NULL REFERENCES tenants (id),
    name_key  exact_text NOT NULL,
    name      exact_text NOT NULL,
    type      exact_text NOT NULL,
    created   BIGINT     NOT NULL,
    PRIMARY KEY (tenant, name_key)
);

CREATE TABLE users (
    tenant         BIGINT     NOT NULL,
    id             exact_text NOT NULL,
    connection     BIGINT     NOT NULL,
    user_name      exact_text NOT NULL,
    user_name_key  exact_text NOT NULL,
    external_id    exact_text,
    display_name   exact_text,
    manager        exact_text,
    active         SMALLINT,
    removed        BIGINT,
    version        BIGINT     NOT NULL,
    created        BIGINT     NOT NULL,
    last_modified  BIGINT     NOT NULL,
    body           exact_text NOT NULL,
    search         exact_text NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- Unique over active and inactive people; a removed person gives the name free.
CREATE UNIQUE INDEX users_user_name ON users (tenant, user_name_key) WHERE removed IS NULL;
CREATE UNIQUE INDEX users_external_id ON users (tenant, connection, external_id)
    WHERE removed IS NULL AND external_id IS NOT NULL;
CREATE INDEX users_of_connection ON users (tenant, connection, id) WHERE removed IS NULL;
-- Who may be revived by a POST.
CREATE INDEX users_removed_name ON users (tenant, connection, user_name_key) WHERE removed IS NOT NULL;
CREATE INDEX users_removed_external_id ON users (tenant, connection, external_id)
    WHERE removed IS NOT NULL AND external_id IS NOT NULL;

CREATE TABLE user_emails (
    tenant     BIGINT     NOT NULL,
    user_id    exact_text NOT NULL,
    value_key  exact_text NOT NULL,
    PRIMARY KEY (tenant, user_id, value_key)
);
CREATE INDEX user_emails_value ON user_emails (tenant, value_key, user_id);

CREATE TABLE groups (
    tenant            BIGINT     NOT NULL,
    id                exact_text NOT NULL,
    connection        BIGINT     NOT NULL,
    display_name      exact_text NOT NULL,
    display_name_key  exact_text NOT NULL,
    external_id       exact_text,
    removed           BIGINT,
    version           BIGINT     NOT NULL,
    created           BIGINT     NOT NULL,
    last_modified     BIGINT     NOT NULL,
    body              exact_text NOT NULL,
    search            exact_text NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX groups_external_id ON groups (tenant, connection, external_id)
    WHERE removed IS NULL AND external_id IS NOT NULL;
CREATE INDEX groups_of_connection ON groups (tenant, connection, id) WHERE removed IS NULL;
CREATE INDEX groups_display_name ON groups (tenant, connection, display_name_key, id)
    WHERE removed IS NULL;

CREATE TABLE memberships (
    tenant       BIGINT     NOT NULL,
    group_id     exact_text NOT NULL,
    member_id    exact_text NOT NULL,
    member_type  exact_text NOT NULL CHECK (member_type IN ('User', 'Group')),
    added        BIGINT     NOT NULL,
    PRIMARY KEY (tenant, group_id, member_id)
);
CREATE INDEX memberships_member ON memberships (tenant, member_id, group_id);

-- How many resources a connection holds, kept rather than counted, in 256 slots (the last two
-- digits of the resource's id) so that no row is hot.
CREATE TABLE totals (
    tenant         BIGINT     NOT NULL,
    connection     BIGINT     NOT NULL,
    resource_type  exact_text NOT NULL,
    slot           exact_text NOT NULL,
    live           BIGINT     NOT NULL,
    PRIMARY KEY (tenant, connection, resource_type, slot)
);

-- What happened to people and groups, written in the transaction of the change itself. "attributes"
-- holds the personal values, before and after, and can be cleared without losing the rest.
CREATE TABLE changes (
    tenant         BIGINT     NOT NULL,
    sequence       BIGINT     NOT NULL,
    at             BIGINT     NOT NULL,
    resource_type  exact_text NOT NULL,
    resource_id    exact_text NOT NULL,
    action         exact_text NOT NULL,
    version        BIGINT     NOT NULL,
    actor          exact_text NOT NULL,
    connection     BIGINT     NOT NULL,
    token          exact_text NOT NULL,
    request        exact_text NOT NULL,
    attributes     exact_text,
    PRIMARY KEY (tenant, sequence)
);
CREATE INDEX changes_of_resource ON changes (tenant, resource_id, sequence);

CREATE TABLE audit (
    tenant    BIGINT     NOT NULL,
    sequence  BIGINT     NOT NULL,
    at        BIGINT     NOT NULL,
    event     exact_text NOT NULL,
    subject   exact_text NOT NULL,
    actor     exact_text NOT NULL,
    details   exact_text NOT NULL,
    PRIMARY KEY (tenant, sequence)
);

-- The tenant of {public}/scim/v2; others have their slug in the URL.
INSERT INTO tenants (id, slug, created) VALUES (1, 'default', 0);
