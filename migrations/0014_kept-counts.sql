ALTER TABLE `folders` ADD `total` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `folders` ADD `unread` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `approvals_session` ON `approvals` (`session_id`,`asked_at`);--> statement-breakpoint
CREATE INDEX `approvals_time` ON `approvals` (`asked_at`);--> statement-breakpoint
CREATE INDEX `letter_numbers_time` ON `letter_numbers` (`touched_at`);--> statement-breakpoint
CREATE INDEX `parked_forms_expiry` ON `parked_forms` (`expires_at`);--> statement-breakpoint
CREATE INDEX `pending_passkeys_expiry` ON `pending_passkeys` (`expires_at`);--> statement-breakpoint
CREATE INDEX `rate_limits_expire` ON `rate_limits` (`expire`);--> statement-breakpoint
CREATE INDEX `session_ends_user` ON `session_ends` (`user_id`);--> statement-breakpoint
CREATE INDEX `session_ends_time` ON `session_ends` (`ended_at`);--> statement-breakpoint
CREATE INDEX `sessions_contact` ON `sessions` (`contact_at`);--> statement-breakpoint
CREATE INDEX `sessions_end` ON `sessions` (`ends_at`);--> statement-breakpoint
CREATE INDEX `spent_challenges_expiry` ON `spent_challenges` (`expires_at`);--> statement-breakpoint
CREATE INDEX `stops_time` ON `stops` (`stopped_at`);
--> statement-breakpoint
UPDATE `folders` SET `total` = (SELECT count(*) FROM `messages` WHERE `folder_id` = `folders`.`id`), `unread` = (SELECT count(*) FROM `messages` WHERE `folder_id` = `folders`.`id` AND seen = 0);
--> statement-breakpoint
DROP INDEX `messages_unseen`;
--> statement-breakpoint
CREATE TRIGGER `messages_count_insert` AFTER INSERT ON `messages` BEGIN UPDATE `folders` SET `total` = `total` + 1, `unread` = `unread` + (new.`seen` = 0) WHERE `id` = new.`folder_id`; END;
--> statement-breakpoint
CREATE TRIGGER `messages_count_delete` AFTER DELETE ON `messages` BEGIN UPDATE `folders` SET `total` = `total` - 1, `unread` = `unread` - (old.`seen` = 0) WHERE `id` = old.`folder_id`; END;
--> statement-breakpoint
CREATE TRIGGER `messages_count_update` AFTER UPDATE OF `folder_id`, `seen` ON `messages` WHEN old.`folder_id` <> new.`folder_id` OR old.`seen` <> new.`seen` BEGIN
	UPDATE `folders` SET `total` = `total` - 1, `unread` = `unread` - (old.`seen` = 0) WHERE `id` = old.`folder_id`;
	UPDATE `folders` SET `total` = `total` + 1, `unread` = `unread` + (new.`seen` = 0) WHERE `id` = new.`folder_id`;
END;
