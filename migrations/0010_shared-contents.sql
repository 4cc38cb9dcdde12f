CREATE TABLE `content_pieces` (
	`content_id` integer NOT NULL,
	`place` integer NOT NULL,
	`octets` blob NOT NULL,
	PRIMARY KEY(`content_id`, `place`),
	FOREIGN KEY (`content_id`) REFERENCES `contents`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `contents` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`references` integer DEFAULT 0 NOT NULL,
	`leased_until` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `contents_unreferenced` ON `contents` (`leased_until`) WHERE "references" = 0;--> statement-breakpoint
CREATE TABLE `usage` (
	`user_id` integer PRIMARY KEY NOT NULL,
	`octets` integer NOT NULL,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
INSERT INTO `contents` (`id`, `leased_until`) SELECT `id`, 0 FROM `messages`;
--> statement-breakpoint
INSERT INTO `content_pieces` SELECT `message_id`, 0, `octets` FROM `octets`;
--> statement-breakpoint
DROP TABLE `octets`;--> statement-breakpoint
ALTER TABLE `messages` ADD `outside` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `messages` ADD `content_id` integer REFERENCES contents(id);--> statement-breakpoint
UPDATE `messages` SET `content_id` = `id`;--> statement-breakpoint
CREATE INDEX `messages_content` ON `messages` (`content_id`);--> statement-breakpoint
ALTER TABLE `outbox` ADD `content_id` integer REFERENCES contents(id);--> statement-breakpoint
ALTER TABLE `outbox` ADD `size` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `outbox_content` ON `outbox` (`content_id`);--> statement-breakpoint
INSERT INTO `contents` (`id`, `leased_until`) SELECT (SELECT coalesce(max(`id`), 0) FROM `messages`) + `id`, 0 FROM `outbox`;
--> statement-breakpoint
UPDATE `outbox` SET `size` = length(`octets`), `content_id` = (SELECT coalesce(max(`id`), 0) FROM `messages`) + `id`;
--> statement-breakpoint
INSERT INTO `content_pieces` SELECT `content_id`, 0, `octets` FROM `outbox`;
--> statement-breakpoint
ALTER TABLE `outbox` DROP COLUMN `octets`;--> statement-breakpoint
UPDATE `contents` SET `references` = (SELECT count(*) FROM `messages` WHERE `content_id` = `contents`.`id`) + (SELECT count(*) FROM `outbox` WHERE `content_id` = `contents`.`id`);
--> statement-breakpoint
INSERT INTO `usage` (`user_id`, `octets`) SELECT `id`, (SELECT coalesce(sum(`size`), 0) FROM `messages` WHERE `user_id` = `users`.`id`) + (SELECT coalesce(sum(`size`), 0) FROM `outbox` WHERE `user_id` = `users`.`id`) + (SELECT coalesce(sum(length(`sealed`)), 0) FROM `parked_forms` WHERE `user_id` = `users`.`id`) FROM `users`;
--> statement-breakpoint
DROP TRIGGER `message_search_delete`;
--> statement-breakpoint
CREATE TRIGGER `message_search_delete` AFTER DELETE ON `contents` BEGIN DELETE FROM `message_search` WHERE rowid = old.id; END;
--> statement-breakpoint
CREATE TRIGGER `messages_content_insert` AFTER INSERT ON `messages` BEGIN UPDATE `contents` SET `references` = `references` + 1 WHERE `id` = new.`content_id`; END;
--> statement-breakpoint
CREATE TRIGGER `messages_content_delete` AFTER DELETE ON `messages` BEGIN UPDATE `contents` SET `references` = `references` - 1, `leased_until` = 0 WHERE `id` = old.`content_id`; END;
--> statement-breakpoint
CREATE TRIGGER `outbox_content_insert` AFTER INSERT ON `outbox` BEGIN UPDATE `contents` SET `references` = `references` + 1 WHERE `id` = new.`content_id`; END;
--> statement-breakpoint
CREATE TRIGGER `outbox_content_delete` AFTER DELETE ON `outbox` BEGIN UPDATE `contents` SET `references` = `references` - 1, `leased_until` = 0 WHERE `id` = old.`content_id`; END;
--> statement-breakpoint
CREATE TRIGGER `messages_usage_insert` AFTER INSERT ON `messages` WHEN new.`user_id` IS NOT NULL BEGIN INSERT INTO `usage` (`user_id`, `octets`) VALUES (new.`user_id`, new.`size`) ON CONFLICT (`user_id`) DO UPDATE SET `octets` = `octets` + excluded.`octets`; END;
--> statement-breakpoint
CREATE TRIGGER `messages_usage_delete` AFTER DELETE ON `messages` BEGIN UPDATE `usage` SET `octets` = `octets` - old.`size` WHERE `user_id` = old.`user_id`; END;
--> statement-breakpoint
CREATE TRIGGER `outbox_usage_insert` AFTER INSERT ON `outbox` WHEN new.`user_id` IS NOT NULL BEGIN INSERT INTO `usage` (`user_id`, `octets`) VALUES (new.`user_id`, new.`size`) ON CONFLICT (`user_id`) DO UPDATE SET `octets` = `octets` + excluded.`octets`; END;
--> statement-breakpoint
CREATE TRIGGER `outbox_usage_delete` AFTER DELETE ON `outbox` BEGIN UPDATE `usage` SET `octets` = `octets` - old.`size` WHERE `user_id` = old.`user_id`; END;
--> statement-breakpoint
CREATE TRIGGER `parked_forms_usage_insert` AFTER INSERT ON `parked_forms` WHEN new.`user_id` IS NOT NULL BEGIN INSERT INTO `usage` (`user_id`, `octets`) VALUES (new.`user_id`, length(new.`sealed`)) ON CONFLICT (`user_id`) DO UPDATE SET `octets` = `octets` + excluded.`octets`; END;
--> statement-breakpoint
CREATE TRIGGER `parked_forms_usage_delete` AFTER DELETE ON `parked_forms` BEGIN UPDATE `usage` SET `octets` = `octets` - length(old.`sealed`) WHERE `user_id` = old.`user_id`; END;
--> statement-breakpoint
CREATE TRIGGER `parked_forms_usage_update` AFTER UPDATE OF `sealed` ON `parked_forms` BEGIN UPDATE `usage` SET `octets` = `octets` - length(old.`sealed`) + length(new.`sealed`) WHERE `user_id` = new.`user_id`; END;
