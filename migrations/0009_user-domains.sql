CREATE INDEX `users_domain` ON `users` (substr("address", instr("address", '@') + 1));
