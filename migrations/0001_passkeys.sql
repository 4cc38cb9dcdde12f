CREATE TABLE `approvals` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` integer NOT NULL,
	`session_id` text,
	`epoch_id` text NOT NULL,
	`scope` text NOT NULL,
	`state` text NOT NULL,
	`code_mac` blob NOT NULL,
	`wrong_codes` integer NOT NULL,
	`allowance_id` text NOT NULL,
	`public_half` blob NOT NULL,
	`asked_at` integer NOT NULL,
	`ends_at` integer NOT NULL,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE set null
);
--> statement-breakpoint
CREATE INDEX `approvals_user` ON `approvals` (`user_id`,`asked_at`);--> statement-breakpoint
CREATE UNIQUE INDEX `approvals_pending` ON `approvals` (`session_id`) WHERE state = 'pending';--> statement-breakpoint
CREATE TABLE `challenges` (
	`hash` blob PRIMARY KEY NOT NULL,
	`purpose` text NOT NULL,
	`nonce` blob NOT NULL,
	`session_id` text,
	`next_salt` text NOT NULL,
	`expires_at` integer NOT NULL,
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `passkeys` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` integer NOT NULL,
	`name` text NOT NULL,
	`public_key` blob NOT NULL,
	`counter` integer NOT NULL,
	`transports` text NOT NULL,
	`backup_eligible` integer NOT NULL,
	`backed_up` integer NOT NULL,
	`prf` integer NOT NULL,
	`created_at` integer NOT NULL,
	`used_at` integer,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `passkeys_user` ON `passkeys` (`user_id`);--> statement-breakpoint
CREATE TABLE `pending_passkeys` (
	`session_id` text PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`public_key` blob NOT NULL,
	`counter` integer NOT NULL,
	`transports` text NOT NULL,
	`backup_eligible` integer NOT NULL,
	`backed_up` integer NOT NULL,
	`salt` text NOT NULL,
	`first_hash` blob,
	`expires_at` integer NOT NULL,
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
