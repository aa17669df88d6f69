-- The scratch tables of one site's day: exist while a day is computed, hold pseudonyms, lie in the
-- engine beside the rows they are made of. `slice` numbers the slices of visitors; everything of a
-- visitor lies in one, so that distinct visitors and visits add up over slices.

-- Ids of events that arrived more than once within the day and its neighbours.
CREATE TABLE {scratch}repeated (event_id UInt64)
ENGINE = MergeTree ORDER BY event_id;

-- Of those the rows that count for the day: the first received, where it fell on the day.
CREATE TABLE {scratch}kept AS events
ENGINE = MergeTree ORDER BY (visitor, time, event_id);

-- The day's rows, each event once.
CREATE VIEW {scratch}once AS
SELECT * FROM events
WHERE site = {site} AND day = '{day}' AND restricted = 0
  AND event_id GLOBAL NOT IN (SELECT event_id FROM {scratch}repeated)
UNION ALL
SELECT * FROM {scratch}kept;

-- One row an event of a person, machines left out. `visit` names the visit: the id of the event that
-- its attributes are taken from. Without a pseudonym (`linked` = 0) a row is a visit of its own here.
CREATE TABLE {scratch}touches
(
    slice      UInt16,
    visit      UInt64,
    person     UInt32 COMMENT 'numbers the visitors of the day; 0 without a pseudonym',
    linked     UInt8,
    several    UInt8 COMMENT '1 where the visitor has more than one visit',
    time       DateTime('UTC'),
    event_id   UInt64,
    opens      UInt8 COMMENT '1 for the event that the attributes of the visit are taken from',
    enters     UInt8 COMMENT '1 for its first view',
    leaves     UInt8 COMMENT '1 for its last view',
    is_view    UInt8,
    is_event   UInt8 COMMENT '0 for reports of engagement',
    engagement UInt64 COMMENT 'milliseconds',
    scroll     UInt8,
    revenue    Decimal(18, 4),
    currency   LowCardinality(String),
    views      UInt32 COMMENT 'of the whole visit, as all that follow',
    events     UInt32,
    seconds    UInt32,
    engaged    UInt64 COMMENT 'milliseconds',
    scrolled   UInt8 COMMENT 'the deepest point',
    {touch_columns}
)
ENGINE = MergeTree ORDER BY slice;

-- One row a visit, and one an event without a pseudonym, with the visit's attributes.
CREATE TABLE {scratch}visits
(
    slice      UInt16,
    visit      UInt64,
    person     UInt32,
    linked     UInt8,
    several    UInt8,
    views      UInt32,
    events     UInt32 COMMENT 'reports of engagement are none; a visit of nothing else counts nowhere',
    seconds    UInt32,
    engagement UInt64 COMMENT 'milliseconds',
    scroll     UInt8,
    {visit_columns}
)
ENGINE = MergeTree ORDER BY slice
;

-- What each table says of each of its values, exactly, slice by slice.
CREATE TABLE {scratch}singles
(
    dimension  UInt16 COMMENT 'its place in the list of the site''s dimensions; after the last, the total',
    by         String,
    value      String,
    visitors         UInt64,
    visits           UInt64,
    pageviews        UInt64,
    events           UInt64,
    linked_pageviews UInt64,
    bounces          UInt64,
    duration         UInt64,
    unlinked         UInt64,
    bounced_visitors UInt64,
    staying_visitors UInt64,
    longest          UInt64,
    engagement       UInt64,
    engaged          UInt64,
    most_engaged     UInt64,
    scroll           UInt64,
    scrolled         UInt64
)
ENGINE = MergeTree ORDER BY dimension;

-- Cells that are shown, while what is hidden is counted.
CREATE TABLE {scratch}shown (dimension UInt16, by String, value String)
ENGINE = MergeTree ORDER BY dimension;

-- The values that crosses tell apart: `code` in one byte. What has none is 0.
CREATE TABLE {scratch}codes
(
    dimension  UInt16,
    key        String COMMENT 'the value, after its parent''s and a zero byte where it has one',
    code       UInt8
)
ENGINE = MergeTree ORDER BY dimension
