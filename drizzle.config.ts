import { defineConfig } from 'drizzle-kit'
import { isPostgres } from './server/ground/store/kit.ts'

// `npm run migration` runs it for both engines.
export default defineConfig({
  dialect: isPostgres ? 'postgresql' : 'sqlite',
  schema: './server/ground/store/tables.ts',
  out: isPostgres ? './migrations/postgres' : './migrations',
})
