CREATE TABLE "identities" (
	"user_id" bigint NOT NULL,
	"fingerprint" text NOT NULL,
	"certificate" "bytea" NOT NULL,
	"chain" text NOT NULL,
	"sealed_secret" "bytea" NOT NULL,
	"says" text NOT NULL,
	"added_at" bigint NOT NULL,
	CONSTRAINT "identities_user_id_fingerprint_pk" PRIMARY KEY("user_id","fingerprint")
);
--> statement-breakpoint
ALTER TABLE "identities" ADD CONSTRAINT "identities_user_id_keyrings_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."keyrings"("user_id") ON DELETE cascade ON UPDATE no action;