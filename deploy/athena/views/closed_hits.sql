-- The hits of dates that are over in every time zone of the world, and merged: for scheduled refreshes.
-- A date ends last at UTC-12, 36 hours after its name begins in UTC; its last hits are merged within an hour.
-- columns: *
SELECT * FROM hits
WHERE dt <= CAST(CAST(current_timestamp - INTERVAL '37' HOUR AS date) AS varchar)
