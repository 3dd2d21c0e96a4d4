-- Lists as somebody wants to see them, under names of their own.

-- `query` is what the address says: filter, order and columns; `usual` is 1 for the one that the list opens with.
CREATE TABLE views (
    person TEXT NOT NULL,
    list TEXT NOT NULL,
    name TEXT NOT NULL,
    query TEXT NOT NULL,
    usual BIGINT NOT NULL,
    changed BIGINT NOT NULL
);
CREATE UNIQUE INDEX views_once ON views (person, list, name);
