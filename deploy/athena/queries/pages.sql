-- Which pages are read most?
SELECT page, sum(pageviews) AS pageviews, sum(unique_pageviews) AS unique_pageviews,
  CAST(sum(time_on_page) AS double) / nullif(sum(pageviews), 0) AS avg_time_on_page
FROM pages
WHERE site = ? AND dt BETWEEN ? AND ?
GROUP BY page
HAVING sum(pageviews) > 0
ORDER BY pageviews DESC, page
LIMIT 100
