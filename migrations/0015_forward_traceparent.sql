-- Whether attempts of a subscription tell its receiver where they are in a trace (the header traceparent).
alter table subscriptions add column forward_traceparent boolean not null default false;
