-- Where do visits end?
SELECT page, sum(exits) AS exits,
  CAST(sum(exits) AS double) / nullif(sum(unique_pageviews), 0) AS exit_rate
FROM pages
WHERE site = ? AND dt BETWEEN ? AND ?
GROUP BY page
HAVING sum(exits) > 0
ORDER BY exits DESC, page
LIMIT 100
