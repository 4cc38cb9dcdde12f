/** All pages, put together; and the pages for what may not be done. */
import { Hono } from 'hono'
import { raw } from 'hono/html'
import type { Language } from '../server/doors/visit.ts'
import type { Refusal } from '../server/ground/refusal.ts'
import { aliasPages } from './account/aliases.tsx'
import { loginPages } from './account/login.tsx'
import { setupPages } from './account/setup.tsx'
import { sshKeyPages } from './account/ssh-keys.tsx'
import { terminalPages } from './account/terminals.tsx'
import { style } from './document.tsx'
import { filePages } from './files/box.tsx'
import { savePages } from './files/save.tsx'
import { type FrameNeeds, show } from './frame.tsx'
import { approvalPages } from './key/approval.tsx'
import { identityPages } from './key/identities.tsx'
import { passkeyPages } from './key/passkeys.tsx'
import { passphrasePages } from './key/passphrase.tsx'
import { unlockPages } from './key/unlock.tsx'
import { keyWindows } from './key/windows.tsx'
import { composePages } from './mail/compose.ts'
import { correspondentPages } from './mail/correspondents.tsx'
import { folderPages } from './mail/folders.tsx'
import { mailboxPages } from './mail/mailbox.tsx'
import { messagePages } from './mail/message.tsx'
import { queuePages } from './mail/queue.tsx'
import { type PageContext, type PageEnv, sentenceOf, wordsOf } from './visit.ts'
import { wordsIn } from './words.ts'

export type { PageEnv } from './visit.ts'

type NeedsOf<Factory extends (needs: never, ...rest: never[]) => unknown> = Parameters<Factory>[0]
type Needs = NeedsOf<typeof loginPages> &
  NeedsOf<typeof setupPages> &
  NeedsOf<typeof mailboxPages> &
  NeedsOf<typeof folderPages> &
  NeedsOf<typeof messagePages> &
  NeedsOf<typeof composePages> &
  NeedsOf<typeof unlockPages> &
  NeedsOf<typeof approvalPages> &
  NeedsOf<typeof passkeyPages> &
  NeedsOf<typeof passphrasePages> &
  NeedsOf<typeof correspondentPages> &
  NeedsOf<typeof terminalPages> &
  NeedsOf<typeof queuePages> &
  NeedsOf<typeof filePages> &
  NeedsOf<typeof savePages> &
  NeedsOf<typeof sshKeyPages> &
  NeedsOf<typeof identityPages> &
  NeedsOf<typeof aliasPages>

export const pages = (needs: Needs) => {
  const windows = keyWindows(needs)
  const compose = composePages(needs, windows)
  const login = loginPages(needs, compose)
  const app = new Hono<PageEnv>()
    .route('/', login.app)
    .route('/', setupPages(needs))
    .route('/', mailboxPages(needs))
    .route('/', folderPages(needs))
    .route('/', messagePages(needs, windows))
    .route('/', compose.app)
    .route('/', unlockPages(needs, compose))
    .route('/', approvalPages(needs, compose))
    .route('/', passkeyPages(needs))
    .route('/', passphrasePages(needs))
    .route('/', correspondentPages(needs, windows))
    .route('/', terminalPages(needs))
    .route('/', identityPages(needs, windows))
    .route('/', sshKeyPages(needs))
    .route('/', aliasPages(needs))
    .route('/', queuePages(needs))
    .route('/', filePages(needs, windows))
    .route('/', savePages(needs, windows))
  /** An expected no, or an error, that a page let through: what happened and where to go on. */
  const refused = (c: PageContext, refusal: Refusal) => showRefusal(c, needs, refusal)
  return { app, interrupted: login.interrupted, letterAgain: compose.letterAgain, refused }
}

const showRefusal = (c: PageContext, needs: FrameNeeds, refusal: Refusal): Promise<Response> => {
  const words = wordsOf(c)
  const { session } = c.get('visit')
  return show(
    c,
    needs,
    {
      title: refusal.code === 'not-found' ? words.missingTitle : words.refusedTitle,
      body: () => (
        <>
          <p>{sentenceOf(c, refusal)}</p>
          <p>
            <a href={session ? '/f/inbox' : '/login'}>{words.back}</a>
          </p>
        </>
      ),
    },
    refusal.status === 401 ? 403 : refusal.status,
  )
}

/** S1070: no encrypted communication was established; leads to the encrypted address. */
export const notEncrypted = (origin: string, language: Language): string => {
  const words = wordsIn[language]
  const page = (
    <html lang={language}>
      <meta name="viewport" content="initial-scale=1" />
      <title>{words.notEncryptedTitle}</title>
      <style>{raw(style)}</style>
      <body>
        <main>
          <h1>{words.notEncryptedTitle}</h1>
          <p>
            {words.notEncrypted} <a href={`${origin}/login`}>{origin}</a>
          </p>
        </main>
      </body>
    </html>
  )
  return `<!doctype html>${page}`
}
