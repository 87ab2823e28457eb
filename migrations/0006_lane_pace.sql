-- When the rate limit of the subscription will have everything again; infinity: a process works on the lane and knows.
alter table lanes add column full_at timestamptz;
