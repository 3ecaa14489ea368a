-- What brings visits: search engines, other sites, campaigns, social networks, or nothing at all?
SELECT channel, count(*) AS visits, count(DISTINCT visitor_id) AS visitors,
  avg(CAST(visit_actions AS double)) AS actions_per_visit,
  CAST(count(*) FILTER (WHERE is_bounce) AS double) / count(*) AS bounce_rate
FROM visits
WHERE site = ? AND dt BETWEEN ? AND ?
GROUP BY channel
ORDER BY visits DESC, channel
