CREATE TABLE `identities` (
	`user_id` integer NOT NULL,
	`fingerprint` text NOT NULL,
	`certificate` blob NOT NULL,
	`chain` text NOT NULL,
	`sealed_secret` blob NOT NULL,
	`says` text NOT NULL,
	`added_at` integer NOT NULL,
	PRIMARY KEY(`user_id`, `fingerprint`),
	FOREIGN KEY (`user_id`) REFERENCES `keyrings`(`user_id`) ON UPDATE no action ON DELETE cascade
);
