-- Receivers that have to be asked, or whose answer a process did not wait for: looked for each minute, and few.
create index subscriptions_pending_verification on subscriptions (id) where verification->>'state' = 'pending';
