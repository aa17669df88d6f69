-- A day of a busy site, some 3.7 rows a visit and 1.2 visits a visitor: 2,000 pages, 100 countries, 330
-- referrers, 40 campaigns, each value as likely as its rank (Zipf); a fifth of it without consent.
INSERT INTO events
    (site, day, time, received, event_id, basis, purposes, expires, visitor, visit, name, hostname,
     page, engagement, scroll, referrer, source, channel, utm_source, utm_medium, utm_campaign,
     country, language, device, browser, browser_version, os, os_version, screen_size)
WITH
    intDiv(number * 5, 6) AS person,
    (salt, what) -> cityHash64(what, salt) / 18446744073709551616. AS chance,
    (salt, what, n) -> toUInt32(exp(chance(salt, what) * log(n + 1))) - 1 AS zipf,
    chance('basis', person) < 0.2 AS unlinked,
    zipf('source', number, 12) AS origin
SELECT
    {site:UInt32}, {day:Date},
    toDateTime({day:Date}, 'UTC') + toUInt32(chance('time', number) * 80000 + step * 40) AS moment,
    moment + 2,
    cityHash64('event', number, step),
    if(unlinked, 'none', if(chance('consent', person) < 0.3, 'consent', 'exempt')) AS basis_,
    if(basis_ = 'consent', ['audience', 'product', 'attribution'], ['audience']),
    toDate('2100-01-15'),
    if(unlinked, 0, toUInt128(cityHash64('visitor', person)) * 18446744073709551615 + person),
    0,
    multiIf(step > 0 AND chance('engagement', (number, step)) < 0.2, 'engagement',
            chance('name', (number, step)) < 0.9, 'pageview',
            ['signup', 'purchase', 'File Download', 'Outbound Link: Click', 'search', '404'][1 + zipf('event', (number, step), 6)]) AS name_,
    if(chance('host', number) < 0.95, 'example.com', 'shop.example.com'),
    concat('/section/', toString(zipf('page', (number, step), 2000) % 40),
           '/page-', toString(zipf('page', (number, step), 2000))),
    if(name_ = 'engagement' AND basis_ != 'none', toUInt32(1000 + chance('seconds', (number, step)) * 60000), 0),
    if(name_ = 'engagement' AND basis_ != 'none', toUInt8(chance('scroll', (number, step)) * 100), 0),
    if(unlinked OR origin = 0, '', concat('referrer-', toString(origin), '-', toString(zipf('ref', number, 30)), '.com')),
    if(unlinked OR origin = 0, '', concat('Source ', toString(origin))),
    ['Direct', 'Organic Search', 'Organic Social', 'Referral', 'Email', 'Paid Search'][1 + origin % 6],
    if(unlinked OR chance('utm', number) > 0.15, '', concat('from-', toString(zipf('utm_source', number, 10)))) AS utm,
    if(utm = '', '', ['cpc', 'email', 'social'][1 + zipf('medium', number, 3)]),
    if(utm = '', '', concat('campaign-', toString(zipf('campaign', number, 40)))),
    concat(char(65 + zipf('country', person, 100) % 26), char(65 + intDiv(zipf('country', person, 100), 26))) AS country_,
    if(unlinked, '', ['en', 'nl', 'fr', 'de', 'da', 'es'][1 + zipf('language', person, 6)]),
    ['Mobile', 'Desktop', 'Tablet'][1 + zipf('device', person, 3)],
    ['Chrome', 'Safari', 'Firefox', 'Edge', 'Samsung Internet', 'Opera'][1 + zipf('browser', person, 6)],
    if(unlinked, '', toString(120 + zipf('version', person, 12))),
    ['Android', 'iOS', 'Windows', 'Mac', 'Linux'][1 + zipf('os', person, 5)],
    if(unlinked, '', toString(10 + zipf('osversion', person, 6))),
    if(unlinked, '', ['S', 'M', 'L', 'XL'][1 + zipf('size', person, 4)])
FROM numbers({visits:UInt64})
ARRAY JOIN range(toUInt32(1 + 15 * pow(chance('length', number), 4))) AS step
