-- The number that the agency publishes for people who need help at its events; null for none.
alter table agencies add column help_phone_number text;
