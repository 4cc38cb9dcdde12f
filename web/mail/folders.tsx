/** The page "More": the folders, with what one does to them, and the ways to all other pages. */
import { Hono } from 'hono'
import type { Visit } from '../../server/doors/visit.ts'
import { refusalOf } from '../../server/ground/refusal.ts'
import type { CountedFolder, Folder, Mailboxes } from '../../server/mail/mailboxes.ts'
import type { Quota } from '../../server/people/quota.ts'
import { LanguageChoice } from '../account/login.tsx'
import type { Content } from '../document.tsx'
import { Button, Field, Form, Hidden, Links } from '../forms.tsx'
import { type FrameNeeds, show } from '../frame.tsx'
import { oneLine, sizeOf } from '../text.ts'
import { didOf, idOf, type PageContext, type PageEnv, sentenceOf, sessionOf, wordsOf } from '../visit.ts'
import type { Words } from '../words.ts'

type Needs = FrameNeeds & { mailboxes: Mailboxes; quota: Quota }

/** What was typed where it was refused: a new folder's name (id 0), or a new name for one. */
type RefusedName = { id: number; name: string }

export const folderPages = (needs: Needs) =>
  new Hono<PageEnv>()
    .get('/folders', (c) => showFolders(c, needs, didOf(c)))
    .post('/folders', (c) => changeFolders(c, needs))

const showFolders = async (c: PageContext, needs: Needs, status?: string, refused?: RefusedName) => {
  const words = wordsOf(c)
  const visit = c.get('visit')
  const { id: userId } = sessionOf(c).user
  const folders = await needs.mailboxes.folders(userId)
  const space = await needs.quota.space(userId)
  return show(c, needs, {
    title: words.moreTitle,
    status: status && <p>{status}</p>,
    current: 'more',
    body: () => (
      <>
        <OtherPages words={words} />
        <Counts words={words} folders={folders} />
        <p>{words.space(sizeOf(space.used), sizeOf(space.quota))}</p>
        <FolderForms words={words} visit={visit} folders={folders} refused={refused} />
        <LanguageChoice c={c} />
      </>
    ),
  })
}

const changeFolders = async (c: PageContext, needs: Needs) => {
  const { mailboxes } = needs
  const { user } = sessionOf(c)
  const { form } = c.get('visit')
  const [id, name] = [idOf(form.get('id')), form.get('name')]
  const done = (ok: string) => c.redirect(`/folders?ok=${ok}`, 303)
  try {
    switch (form.get('a')) {
      case 'rename':
        await mailboxes.renameFolder(user.id, id, name)
        return done('renamed')
      case 'delete':
        await mailboxes.deleteFolder(user.id, id)
        return done('gone')
      default:
        await mailboxes.createFolder(user.id, name)
        return done('made')
    }
  } catch (error) {
    const refusal = refusalOf(error)
    if (!refusal) throw error
    return showFolders(c, needs, sentenceOf(c, refusal), { id, name })
  }
}

const OtherPages = ({ words }: { words: Words }) => (
  <Links
    links={[
      <a href="/files">{words.files.title}</a>,
      <a href="/t">{words.terminals}</a>,
      <a href="/log">{words.keyLog}</a>,
      <a href="/k">{words.keys}</a>,
      <a href="/p">{words.passkeys}</a>,
      <a href="/s">{words.passphrase}</a>,
      <a href="/ssh">{words.sshKeys}</a>,
      <a href="/q">{words.queue}</a>,
    ]}
  />
)

const Counts = ({ words, folders }: { words: Words; folders: CountedFolder[] }) => (
  <ul>
    {folders.map((folder) => (
      <li>
        <a href={pathOfFolder(folder)}>{nameOfFolder(words, folder)}</a>{' '}
        {words.count(folder.unread, folder.total)}
      </li>
    ))}
  </ul>
)

/** A form that makes a folder, and one for each that the user made. */
const FolderForms = (props: {
  words: Words
  visit: Visit
  folders: Folder[]
  refused: RefusedName | undefined
}) => {
  const { words, visit, folders, refused } = props
  const typedFor = (id: number) => (refused?.id === id ? refused.name : '')
  return (
    <>
      <Form visit={visit} action="/folders">
        <Field label={words.newFolder} name="name" value={typedFor(0)} />
        <Button a="create">{words.create}</Button>
      </Form>
      {folders
        .filter(({ kind }) => kind === 'user')
        .map(({ id, name }) => (
          <Form visit={visit} action="/folders">
            <Hidden name="id" value={id} />
            <Field label={`${name}: ${words.newName}`} name="name" value={typedFor(id)} />
            <Button a="rename">{words.rename}</Button> <Button a="delete">{words.delete}</Button>
          </Form>
        ))}
    </>
  )
}

export const pathOfFolder = ({ id, kind }: Folder) => `/f/${kind === 'user' ? id : kind}`

export const nameOfFolder = (words: Words, { kind, name }: Folder) => words.folder[kind] || oneLine(name, 60)

/** The folder's place in the navigation, where it has one. */
export const placeOfFolder = ({ kind }: Folder): Content['current'] =>
  kind === 'user' || kind === 'trash' ? undefined : kind
