-- What is to be judged again, and how far it is. A job is written by the command, its progress by the process that holds
-- the partition; of several rows the one with the highest version counts. `account` 0 is all accounts.

CREATE TABLE IF NOT EXISTS reclassify_jobs
(
    id UUID,
    version UInt32,
    changed_at DateTime64(3, 'UTC'),
    account UInt32,
    from_at DateTime64(3, 'UTC'),
    to_at DateTime64(3, 'UTC'),
    stopped Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
TTL toDateTime(changed_at) + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE TABLE IF NOT EXISTS reclassify_progress
(
    job UUID,
    partition UInt32,
    version UInt64,
    changed_at DateTime64(3, 'UTC'),
    partitions UInt32,
    ruleset String,
    account UInt32,
    done_to DateTime64(3, 'UTC'),
    same UInt64,
    changed UInt64,
    expired UInt64,
    open UInt64,
    done Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (job, partition)
TTL toDateTime(changed_at) + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- Hits that came when their window was closed say so in a reason: that is the queue of what is to be judged again. The
-- expression has to be written in a query as it is here, or the index is of no use.
ALTER TABLE events ADD INDEX IF NOT EXISTS late_index position(reasons, '"rule":"late"') > 0 TYPE minmax GRANULARITY 4;
