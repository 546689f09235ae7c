-- The rows of the record that are about people and still have their values, oldest first: those that are old enough are
-- blanked.
create index changelogs_about_people on changelogs (changed_at) where salt is not null;
