-- Since when a receiver has not had a success, while it is failing; and how far its owner was warned (percent of the
-- time after which it is disabled).
alter table subscriptions add column failing_since timestamptz;
alter table subscriptions add column failing_warned smallint not null default 0;
create index subscriptions_failing on subscriptions (failing_since) where failing_since is not null;
