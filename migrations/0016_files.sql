CREATE TABLE `file_bodies` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`user_id` integer,
	`size` integer DEFAULT 0 NOT NULL,
	`octets` integer DEFAULT 0 NOT NULL,
	`leased_until` integer,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE set null
);
--> statement-breakpoint
CREATE INDEX `file_bodies_user` ON `file_bodies` (`user_id`);--> statement-breakpoint
CREATE INDEX `file_bodies_lease` ON `file_bodies` (`leased_until`) WHERE leased_until IS NOT NULL;--> statement-breakpoint
CREATE TABLE `file_pieces` (
	`body_id` integer NOT NULL,
	`start` integer NOT NULL,
	`octets` blob NOT NULL,
	PRIMARY KEY(`body_id`, `start`),
	FOREIGN KEY (`body_id`) REFERENCES `file_bodies`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `files` (
	`user_id` integer NOT NULL,
	`path` text NOT NULL,
	`folder` text NOT NULL,
	`body_id` integer,
	`modified_at` integer NOT NULL,
	PRIMARY KEY(`user_id`, `path`),
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`body_id`) REFERENCES `file_bodies`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `files_folder` ON `files` (`user_id`,`folder`,`path`);--> statement-breakpoint
CREATE UNIQUE INDEX `files_body` ON `files` (`body_id`);
--> statement-breakpoint
CREATE TRIGGER `files_body_delete` AFTER DELETE ON `files` WHEN old.`body_id` IS NOT NULL BEGIN UPDATE `file_bodies` SET `user_id` = NULL, `leased_until` = 0 WHERE `id` = old.`body_id`; END;
--> statement-breakpoint
CREATE TRIGGER `files_body_update` AFTER UPDATE OF `body_id` ON `files` WHEN old.`body_id` IS NOT NULL AND old.`body_id` IS NOT new.`body_id` BEGIN UPDATE `file_bodies` SET `user_id` = NULL, `leased_until` = 0 WHERE `id` = old.`body_id`; END;
--> statement-breakpoint
CREATE TRIGGER `file_bodies_usage` AFTER UPDATE OF `octets`, `user_id` ON `file_bodies` BEGIN
	UPDATE `usage` SET `octets` = `octets` - old.`octets` WHERE `user_id` = old.`user_id`;
	INSERT INTO `usage` (`user_id`, `octets`) SELECT new.`user_id`, new.`octets` WHERE new.`user_id` IS NOT NULL ON CONFLICT (`user_id`) DO UPDATE SET `octets` = `octets` + excluded.`octets`;
END;
--> statement-breakpoint
CREATE TRIGGER `file_bodies_usage_delete` AFTER DELETE ON `file_bodies` WHEN old.`user_id` IS NOT NULL BEGIN UPDATE `usage` SET `octets` = `octets` - old.`octets` WHERE `user_id` = old.`user_id`; END;
