-- When each data key was wrapped, since when the key-encryption key is what it is, and when this
-- database was last backed up (K-31, K-33).
--
-- A data key that was wrapped before `kek_since` is due, whatever key wrapped it: the versions that a
-- KMS makes of a key keep its name. The verb that looks after backups has no other place that is there
-- on each machine and is not in the backup itself.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

ALTER TABLE kernel.data_keys ADD COLUMN wrapped_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE kernel.installation
    ADD COLUMN kek_since timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN backed_up_at timestamptz;
