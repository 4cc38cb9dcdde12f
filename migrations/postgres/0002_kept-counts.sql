DROP INDEX "messages_unseen";--> statement-breakpoint
ALTER TABLE "folders" ADD COLUMN "total" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "folders" ADD COLUMN "unread" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "approvals_session" ON "approvals" USING btree ("session_id","asked_at");--> statement-breakpoint
CREATE INDEX "approvals_time" ON "approvals" USING btree ("asked_at");--> statement-breakpoint
CREATE INDEX "letter_numbers_time" ON "letter_numbers" USING btree ("touched_at");--> statement-breakpoint
CREATE INDEX "parked_forms_expiry" ON "parked_forms" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "pending_passkeys_expiry" ON "pending_passkeys" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "rate_limits_expire" ON "rate_limits" USING btree ("expire");--> statement-breakpoint
CREATE INDEX "session_ends_user" ON "session_ends" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "session_ends_time" ON "session_ends" USING btree ("ended_at");--> statement-breakpoint
CREATE INDEX "sessions_contact" ON "sessions" USING btree ("contact_at");--> statement-breakpoint
CREATE INDEX "sessions_end" ON "sessions" USING btree ("ends_at");--> statement-breakpoint
CREATE INDEX "spent_challenges_expiry" ON "spent_challenges" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "stops_time" ON "stops" USING btree ("stopped_at");
--> statement-breakpoint
UPDATE "folders" SET "total" = (SELECT count(*) FROM "messages" WHERE "folder_id" = "folders"."id"), "unread" = (SELECT count(*) FROM "messages" WHERE "folder_id" = "folders"."id" AND NOT "seen");
--> statement-breakpoint
CREATE FUNCTION change_counts("of" bigint[], "more" bigint[], "unseen" bigint[]) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	-- Two that change the same folders come one after the other.
	PERFORM 1 FROM "folders" WHERE "id" = ANY ("of") ORDER BY "id" FOR NO KEY UPDATE;
	UPDATE "folders" SET "total" = "total" + "change"."more", "unread" = "unread" + "change"."unseen"
		FROM unnest("of", "more", "unseen") AS "change" ("of", "more", "unseen") WHERE "id" = "change"."of";
END $$;
--> statement-breakpoint
CREATE FUNCTION count_messages() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	-- Once for all rows of a statement: a version of the folder's row for each of them would make the next one slower.
	IF TG_OP = 'INSERT' THEN
		PERFORM change_counts(array_agg("of"), array_agg("more"), array_agg("unseen")) FROM
			(SELECT "folder_id" AS "of", count(*) AS "more", count(*) FILTER (WHERE NOT "seen") AS "unseen" FROM "arrived" GROUP BY 1) AS "change";
	ELSIF TG_OP = 'DELETE' THEN
		PERFORM change_counts(array_agg("of"), array_agg("more"), array_agg("unseen")) FROM
			(SELECT "folder_id" AS "of", -count(*) AS "more", -count(*) FILTER (WHERE NOT "seen") AS "unseen" FROM "gone" GROUP BY 1) AS "change";
	ELSE
		PERFORM change_counts(array_agg("of"), array_agg("more"), array_agg("unseen")) FROM
			(SELECT "of", sum("one") AS "more", coalesce(sum("one") FILTER (WHERE NOT "seen"), 0) AS "unseen" FROM
				(SELECT "folder_id" AS "of", 1 AS "one", "seen" FROM "arrived" UNION ALL SELECT "folder_id", -1, "seen" FROM "gone") AS "each"
			GROUP BY 1) AS "change"
			WHERE "more" <> 0 OR "unseen" <> 0;
	END IF;
	RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER "messages_count_insert" AFTER INSERT ON "messages" REFERENCING NEW TABLE AS "arrived" FOR EACH STATEMENT EXECUTE FUNCTION count_messages();
--> statement-breakpoint
CREATE TRIGGER "messages_count_delete" AFTER DELETE ON "messages" REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION count_messages();
--> statement-breakpoint
CREATE TRIGGER "messages_count_update" AFTER UPDATE ON "messages" REFERENCING OLD TABLE AS "gone" NEW TABLE AS "arrived" FOR EACH STATEMENT EXECUTE FUNCTION count_messages();
