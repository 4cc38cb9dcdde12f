ALTER TABLE `messages` ADD `sent_as` text;--> statement-breakpoint
-- Copies of letters that left before: each begins with what only its sender's server writes there.
UPDATE `messages` SET `sent_as` = CASE (
    SELECT CAST(substr(`octets`, 1, 26) AS text) FROM `octets` WHERE `octets`.`message_id` = `messages`.`id`
  )
  WHEN 'X-Wafer-Protection: none' || char(13, 10) THEN 'plain'
  WHEN 'X-Wafer-Protection: sign' || char(13, 10) THEN 'signed'
END
WHERE `security` = 'encrypted' AND `folder_id` IN (SELECT `id` FROM `folders` WHERE `kind` = 'sent');
