-- What only PostgreSQL needs before the shared part of this migration.
-- Text is compared byte by byte on both engines; the database's own collation would sort otherwise.
CREATE DOMAIN exact_text AS TEXT COLLATE "C";
-- Numbers the rows of changes and audit. Gaps are possible and mean nothing.
CREATE SEQUENCE change_sequence;
