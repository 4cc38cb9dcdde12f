DROP INDEX "messages_user";--> statement-breakpoint
CREATE INDEX "messages_user" ON "messages" USING btree ("user_id","arrived_at","id");