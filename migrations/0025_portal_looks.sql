-- How the page for the customers of a tenant looks, where that is not as the settings PORTAL_* say: name, accent, logo (a data
-- URL of at most 16 KiB); null: as for all.
alter table tenants add column portal jsonb;
