/** What pages are made of: forms, fields, buttons, links and paragraphs. */
import type { Child } from 'hono/jsx'
import type { Visit } from '../server/doors/visit.ts'
import { readable } from './text.ts'

/** A form that changes something: it proves where it comes from by its token. */
export const Form = (props: {
  visit: Pick<Visit, 'formToken'>
  action: string
  files?: boolean
  /** For a script: attributes whose names begin with `data-`. */
  data?: Record<`data-${string}`, string | number | undefined>
  children?: Child
}) => (
  <form
    method="post"
    action={props.action}
    enctype={props.files ? 'multipart/form-data' : undefined}
    {...props.data}
  >
    <Hidden name="t" value={props.visit.formToken} />
    {props.children}
  </form>
)

export const Hidden = ({ name, value }: { name: string; value: string | number | null | undefined }) =>
  value ? <input type="hidden" name={name} value={String(value)} /> : null

/** One of a form's verbs, sent as field `a`; one that stands out, as the key is open or as it is the safe one. */
export const Button = (props: { a?: string; open?: boolean; safe?: boolean; children?: Child }) => (
  <button
    type="submit"
    name={props.a && 'a'}
    value={props.a}
    class={props.open || props.safe ? 'k' : undefined}
  >
    {props.children}
  </button>
)

export const Field = (props: {
  label: string
  name: string
  value?: string
  type?: string
  complete?: string
  note?: string
  /** Digits: a phone shows its keys for them. */
  numeric?: boolean
  /** For who fills in passwords: whose it is. */
  fixed?: boolean
}) => (
  <p>
    <label>
      {props.label}{' '}
      <input
        type={props.type}
        name={props.name}
        value={props.value || undefined}
        autocomplete={props.complete}
        readonly={props.fixed}
        inputmode={props.numeric ? 'numeric' : undefined}
        autocapitalize={props.type === 'password' ? 'none' : undefined}
      />
    </label>
    {/* beside the label: the field's name is the contract's, without the note */}
    {props.note && ` ${props.note}`}
  </p>
)

/** Links in one line, with a separator: without one, text browsers run them together. */
export const Links = ({ links }: { links: (Child | false | null)[] }) => (
  <p>
    {links
      .filter((link) => link)
      .map((link, place) => (
        <>
          {place > 0 && ' | '}
          {link}
        </>
      ))}
  </p>
)

/** Text as paragraphs: a `<pre>` is not wrapped by text browsers. */
export const Paragraphs = ({ text }: { text: string }) => (
  <>
    {readable(text)
      .replace(/^\n+/, '')
      .trimEnd()
      .split(/\n{2,}/)
      .map((paragraph) => (
        <p class="t">
          {paragraph.split('\n').map((line, place) => (
            <>
              {place > 0 && <br />}
              {line}
            </>
          ))}
        </p>
      ))}
  </>
)
