CREATE TABLE `aliases` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` integer NOT NULL,
	`word` text NOT NULL,
	`published` integer NOT NULL,
	`added_at` integer NOT NULL,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `aliases_word_unique` ON `aliases` (`word`);--> statement-breakpoint
CREATE INDEX `aliases_user` ON `aliases` (`user_id`);