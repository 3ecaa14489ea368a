-- How much is going on? Figures by date.
SELECT day, pageviews, visits, visitors, actions,
  CAST(bounces AS double) / nullif(visits, 0) AS bounce_rate,
  CAST(visit_duration AS double) / nullif(visits, 0) AS avg_visit_duration
FROM days
WHERE site = ? AND dt BETWEEN ? AND ?
ORDER BY day
