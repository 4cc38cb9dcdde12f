ALTER TABLE `outbox` ADD `message_id` integer REFERENCES messages(id) ON DELETE set null;--> statement-breakpoint
CREATE INDEX `outbox_message` ON `outbox` (`message_id`);--> statement-breakpoint
ALTER TABLE `sessions` ADD `heartbeat_ms` integer;