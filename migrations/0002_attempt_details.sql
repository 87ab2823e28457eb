-- What an attempt remembers: why it failed as a word, and apart from the log, what was sent and what came back.

-- The class and code of a failure; null on success, and for rows written before.
alter table delivery_logs add column error_class text;
alter table delivery_logs add column error_code text;

-- By the id of the attempt, so it is partitioned and dropped as the log is. Apart from it, so that the log's rows stay
-- narrow and the details can go sooner. json, not jsonb: it is read whole, and takes any text a receiver sends
-- (jsonb refuses \u0000), so that no answer can keep an attempt from being logged.
create table attempt_details (
  id uuid primary key,
  request json not null,                     -- method, url, headers; secrets redacted before they get here
  response json,                             -- headers, body_bytes, body_truncated; null: no answer
  response_body bytea not null,              -- the exact bytes, up to CAPTURE_BODY_BYTES; they may hold anything
  timings json not null,                     -- milliseconds
  remote_address text                        -- where the connection went
) partition by range (id);
