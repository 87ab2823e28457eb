-- Key pairs for signatures of the version v1a, beside the secrets for v1, so that a process of the version before,
-- which knows secrets only, reads its column as it always did.
alter table subscriptions add column signing_key_pairs jsonb not null default '[]';  -- [{"sealed": text, "public": text, "expires_at": null | text}], newest first
