-- Bodies of what arrives are contents: sealed, and kept as long as their organisation says, or not at
-- all (K-70, K-85). What arrived, when, and how sure that was, stays beside them.
--
-- The pointer is checked at the end of the transaction: whether a message is new is known by its row.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- squawk-ignore ban-drop-column
ALTER TABLE kernel.hook_events DROP COLUMN body;
ALTER TABLE kernel.hook_events ADD COLUMN size integer NOT NULL DEFAULT 0;
-- squawk-ignore adding-foreign-key-constraint
ALTER TABLE kernel.hook_events ADD COLUMN content uuid
REFERENCES kernel.contents (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX hook_events_content ON kernel.hook_events (content);
