-- Where do visits begin, and which of these pages send people away?
SELECT page, sum(entries) AS entries, CAST(sum(bounces) AS double) / sum(entries) AS bounce_rate
FROM pages
WHERE site = ? AND dt BETWEEN ? AND ?
GROUP BY page
HAVING sum(entries) > 0
ORDER BY entries DESC, page
LIMIT 100
