CREATE TABLE `letter_numbers` (
	`user_id` integer NOT NULL,
	`number` text NOT NULL,
	`message_id` integer,
	`left` blob,
	`touched_at` integer NOT NULL,
	PRIMARY KEY(`user_id`, `number`),
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`message_id`) REFERENCES `messages`(`id`) ON UPDATE no action ON DELETE set null
);
--> statement-breakpoint
CREATE INDEX `letter_numbers_message` ON `letter_numbers` (`message_id`);--> statement-breakpoint
CREATE INDEX `parked_forms_user` ON `parked_forms` (`user_id`);