-- One row a site and date: the figures of people. Never add up visitors over dates.
-- columns: site int, dt string, day date, hits bigint, pageviews bigint, unique_pageviews bigint,
-- visits bigint, visitors bigint, new_visitors bigint, returning_visitors bigint, actions bigint,
-- bounces bigint, visit_duration bigint, downloads bigint, outlinks bigint, events bigint, searches bigint,
-- conversions bigint, converted_visits bigint, orders bigint, revenue double
SELECT site, dt, CAST(dt AS date) AS day,
  count(*) FILTER (WHERE NOT coalesce(is_derived, false)) AS hits,
  count(*) FILTER (WHERE kind = 'pageview') AS pageviews,
  count(DISTINCT visit_id) FILTER (WHERE kind = 'pageview') AS unique_pageviews,
  count(DISTINCT visit_id) AS visits,
  count(DISTINCT visitor_id) AS visitors,
  count(DISTINCT visitor_id) FILTER (WHERE visitor_type = 'new') AS new_visitors,
  count(DISTINCT visitor_id) FILTER (WHERE visitor_type = 'returning') AS returning_visitors,
  CAST(coalesce(sum(visit_actions) FILTER (WHERE is_entry), 0) AS bigint) AS actions,
  count(*) FILTER (WHERE is_entry AND is_bounce) AS bounces,
  CAST(coalesce(sum(visit_duration_s) FILTER (WHERE is_entry), 0) AS bigint) AS visit_duration,
  count(*) FILTER (WHERE kind = 'download') AS downloads,
  count(*) FILTER (WHERE kind = 'outlink') AS outlinks,
  count(*) FILTER (WHERE kind = 'event') AS events,
  count(*) FILTER (WHERE kind = 'search') AS searches,
  count(*) FILTER (WHERE is_conversion) AS conversions,
  count(DISTINCT visit_id) FILTER (WHERE is_conversion) AS converted_visits,
  count(*) FILTER (WHERE kind = 'order' AND is_conversion) AS orders,
  CAST(coalesce(sum(revenue) FILTER (WHERE is_conversion), 0) AS double) AS revenue
FROM hits
WHERE bot_reason IS NULL
GROUP BY site, dt
