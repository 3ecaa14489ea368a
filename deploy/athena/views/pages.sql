-- One row a site, date and page, as people saw it. The columns add up over dates and pages.
-- columns: site int, dt string, day date, page string, pageviews bigint, unique_pageviews bigint,
-- time_on_page bigint, entries bigint, bounces bigint, exits bigint
SELECT site, dt, CAST(dt AS date) AS day, page,
  CAST(sum(pageviews) AS bigint) AS pageviews, CAST(sum(unique_pageviews) AS bigint) AS unique_pageviews,
  CAST(sum(time_on_page) AS bigint) AS time_on_page, CAST(sum(entries) AS bigint) AS entries,
  CAST(sum(bounces) AS bigint) AS bounces, CAST(sum(exits) AS bigint) AS exits
FROM (
  SELECT site, dt, path || coalesce('?' || query, '') AS page,
    count(*) FILTER (WHERE kind = 'pageview') AS pageviews,
    count(DISTINCT visit_id) FILTER (WHERE kind = 'pageview') AS unique_pageviews,
    coalesce(sum(time_on_page_s), 0) AS time_on_page, 0 AS entries, 0 AS bounces, 0 AS exits
  FROM hits
  WHERE kind IN ('pageview', 'search') AND path IS NOT NULL AND bot_reason IS NULL
  GROUP BY site, dt, path || coalesce('?' || query, '')
  UNION ALL
  SELECT site, dt, entry_path, 0, 0, 0, count(*), count(*) FILTER (WHERE is_bounce), 0
  FROM hits
  WHERE is_entry AND entry_path IS NOT NULL AND bot_reason IS NULL
  GROUP BY site, dt, entry_path
  UNION ALL
  SELECT site, dt, exit_path, 0, 0, 0, 0, 0, count(*)
  FROM hits
  WHERE is_entry AND exit_path IS NOT NULL AND bot_reason IS NULL
  GROUP BY site, dt, exit_path
) AS parts
GROUP BY site, dt, page
