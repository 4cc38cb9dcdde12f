CREATE TABLE "aliases" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" bigint NOT NULL,
	"word" text NOT NULL,
	"published" boolean NOT NULL,
	"added_at" bigint NOT NULL,
	CONSTRAINT "aliases_word_unique" UNIQUE("word")
);
--> statement-breakpoint
ALTER TABLE "aliases" ADD CONSTRAINT "aliases_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "aliases_user" ON "aliases" USING btree ("user_id");