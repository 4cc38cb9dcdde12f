ALTER TABLE `correspondents` ADD `uses` text;--> statement-breakpoint
ALTER TABLE `key_pairs` ADD `uses` text;