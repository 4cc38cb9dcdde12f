CREATE TABLE "message_search" ("content_id" bigint PRIMARY KEY REFERENCES "contents"("id") ON DELETE CASCADE, "words" tsvector NOT NULL);
--> statement-breakpoint
CREATE INDEX "message_search_words" ON "message_search" USING gin ("words");
--> statement-breakpoint
CREATE FUNCTION refer_to_content() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	UPDATE "contents" SET "references" = "references" + 1 WHERE "id" = NEW."content_id";
	RETURN NULL;
END $$;
--> statement-breakpoint
CREATE FUNCTION leave_content() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	-- Two that leave the same contents come one after the other.
	PERFORM 1 FROM "contents" WHERE "id" IN (SELECT "content_id" FROM "gone") ORDER BY "id" FOR NO KEY UPDATE;
	UPDATE "contents" SET "references" = "references" - "left"."count", "leased_until" = 0
	FROM (SELECT "content_id", count(*) AS "count" FROM "gone" GROUP BY "content_id") AS "left" WHERE "id" = "content_id";
	RETURN NULL;
END $$;
--> statement-breakpoint
CREATE FUNCTION use_octets("of" bigint, "more" bigint) RETURNS void LANGUAGE sql AS $$
	INSERT INTO "usage" ("user_id", "octets") SELECT "of", "more" WHERE "of" IS NOT NULL AND EXISTS (SELECT 1 FROM "users" WHERE "id" = "of")
	ON CONFLICT ("user_id") DO UPDATE SET "octets" = "usage"."octets" + excluded."octets"
$$;
--> statement-breakpoint
CREATE FUNCTION use_size() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF TG_OP = 'INSERT' THEN PERFORM use_octets(NEW."user_id", NEW."size"); ELSE PERFORM use_octets(OLD."user_id", -OLD."size"); END IF;
	RETURN NULL;
END $$;
--> statement-breakpoint
CREATE FUNCTION use_sealed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF TG_OP <> 'INSERT' THEN PERFORM use_octets(OLD."user_id", -length(OLD."sealed")); END IF;
	IF TG_OP <> 'DELETE' THEN PERFORM use_octets(NEW."user_id", length(NEW."sealed")); END IF;
	RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER "messages_content_insert" AFTER INSERT ON "messages" FOR EACH ROW EXECUTE FUNCTION refer_to_content();
--> statement-breakpoint
CREATE TRIGGER "messages_content_delete" AFTER DELETE ON "messages" REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION leave_content();
--> statement-breakpoint
CREATE TRIGGER "outbox_content_insert" AFTER INSERT ON "outbox" FOR EACH ROW EXECUTE FUNCTION refer_to_content();
--> statement-breakpoint
CREATE TRIGGER "outbox_content_delete" AFTER DELETE ON "outbox" REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION leave_content();
--> statement-breakpoint
CREATE TRIGGER "messages_usage" AFTER INSERT OR DELETE ON "messages" FOR EACH ROW EXECUTE FUNCTION use_size();
--> statement-breakpoint
CREATE TRIGGER "outbox_usage" AFTER INSERT OR DELETE ON "outbox" FOR EACH ROW EXECUTE FUNCTION use_size();
--> statement-breakpoint
CREATE TRIGGER "parked_forms_usage" AFTER INSERT OR DELETE OR UPDATE OF "sealed" ON "parked_forms" FOR EACH ROW EXECUTE FUNCTION use_sealed();
