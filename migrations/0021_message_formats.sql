-- What subscriptions ask for of their messages besides their form: headers made of templates, and the attributes of CloudEvents.
-- Null for nearly all: nothing is asked for.
alter table subscriptions add column header_templates jsonb, add column cloudevents jsonb;
