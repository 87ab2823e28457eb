-- What a subscription shows its receiver so that it is let in, and which authority it trusts. Null for most. Secrets in it are
-- sealed, under `sealed`.
alter table subscriptions add column auth jsonb;
-- Those whose certificates end some day; a handful.
create index subscriptions_certificates on subscriptions (id) where auth ? 'certificate_expires_at';

-- Access tokens of OAuth 2, so that processes share them. A row can go at any time: then a token is fetched again. It is
-- deleted with its subscription.
create table oauth_tokens (
  subscription_id integer primary key,
  fingerprint text not null,                 -- of the credentials it was fetched with: with others it is of no use
  token text,                                -- sealed; null: the first is being fetched
  fetched_at timestamptz,
  expires_at timestamptz,
  fetching_until timestamptz                 -- a process fetches a new one; others wait for it until then
);
