-- How long making a connection may take, within timeout_ms; null: as the service is set up.
alter table subscriptions add column connect_timeout_ms integer;
