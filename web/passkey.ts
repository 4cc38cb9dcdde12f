/**
 * The one WebAuthn step of a page: asks the browser for a passkey and puts what came back into the page's form, as
 * plain fields. Loaded by pages with such a step only; without it they say in words what else can be done.
 *
 * A PRF output opens a key, so it never travels inside the assertion, where logs would find it. Of two outputs the
 * first is sent, and of the second only the X25519 public key derived from it (design: Keyring and slots).
 */
import {
  type AuthenticationResponseJSON,
  browserSupportsWebAuthn,
  browserSupportsWebAuthnAutofill,
  base64URLStringToBuffer as octetsOf,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  startAuthentication,
  startRegistration,
  bufferToBase64URLString as textOf,
} from '@simplewebauthn/browser'

type Salts = { first: string; second?: string }
type Prf = { eval?: Salts; evalByCredential?: Record<string, Salts> }
type Options = PublicKeyCredentialRequestOptionsJSON & { extensions?: { prf?: Prf } }
type Outputs = { first?: ArrayBuffer; second?: ArrayBuffer }

const form = document.querySelector<HTMLFormElement>('form[data-kind]')!
const said = document.querySelector<HTMLElement>('#said')!

/** The browser wants salts as octets; in JSON they are text. */
const withOctets = <T extends { extensions?: unknown }>(options: T): T => {
  const prf = (options.extensions as { prf?: Prf } | undefined)?.prf
  if (!prf) return options
  const octets = ({ first, second }: Salts) => ({
    first: octetsOf(first),
    ...(second ? { second: octetsOf(second) } : {}),
  })
  const converted = {
    ...(prf.eval ? { eval: octets(prf.eval) } : {}),
    ...(prf.evalByCredential
      ? {
          evalByCredential: Object.fromEntries(
            Object.entries(prf.evalByCredential).map(([id, salts]) => [id, octets(salts)]),
          ),
        }
      : {}),
  }
  return { ...options, extensions: { ...(options.extensions as object), prf: converted } }
}

const outputsOf = (results: unknown): Outputs =>
  (results as { prf?: { results?: Outputs } }).prf?.results ?? {}

/** The public half of the X25519 key that the second output makes: HKDF-SHA256, then RFC 7748. */
const publicKeyOf = async (output: ArrayBuffer): Promise<string> => {
  const { subtle } = crypto
  const secret = await subtle.importKey('raw', output, 'HKDF', false, ['deriveBits'])
  const info = new TextEncoder().encode('wafer/prf/v1')
  const scalar = await subtle.deriveBits(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info },
    secret,
    256,
  )
  // RFC 8410 §7: a private key of 32 octets in its PKCS #8 wrapping.
  const pkcs8 = Uint8Array.from([
    ...[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20],
    ...new Uint8Array(scalar),
  ])
  const own = await subtle.importKey('pkcs8', pkcs8, { name: 'X25519' }, false, ['deriveBits'])
  // RFC 7748 §6.1: the public key is the private one times the base point, 9.
  const base = await subtle.importKey(
    'raw',
    Uint8Array.of(9, ...new Uint8Array(31)),
    { name: 'X25519' },
    false,
    [],
  )
  return textOf(await subtle.deriveBits({ name: 'X25519', public: base }, own, 256))
}

/** An assertion as the server takes it: the PRF results beside it, never in it. */
const assertedWith = async (options: Options, useBrowserAutofill = false): Promise<string> => {
  const response: AuthenticationResponseJSON = await startAuthentication({
    optionsJSON: withOctets(options),
    useBrowserAutofill,
  })
  const { first, second } = outputsOf(response.clientExtensionResults)
  response.clientExtensionResults = {}
  let prf: { output: string; next: string } | undefined
  // A browser that cannot derive the key has no use of the outputs; the server then says what is missing.
  if (first && second)
    prf = await publicKeyOf(second).then(
      (next) => ({ output: textOf(first), next }),
      () => undefined,
    )
  return JSON.stringify({ response: JSON.stringify(response), prf })
}

/** A new passkey, and the hash of its first PRF output, by which the server knows it again at the check. */
const attestationWith = async (options: PublicKeyCredentialCreationOptionsJSON): Promise<string> => {
  const { prf } = (options.extensions ?? {}) as { prf?: Prf }
  const response = await startRegistration({ optionsJSON: withOctets(options) })
  const results = response.clientExtensionResults as { prf?: { enabled?: boolean } }
  let { first } = outputsOf(results)
  response.clientExtensionResults = results.prf
    ? ({ prf: { enabled: results.prf.enabled === true } } as object)
    : {}
  if (!first && prf?.eval) {
    // Some authenticators evaluate only at an assertion. This one proves nothing and goes nowhere.
    const again = await startAuthentication({
      optionsJSON: withOctets({
        challenge: textOf(crypto.getRandomValues(new Uint8Array(32)).buffer),
        rpId: options.rp.id,
        userVerification: 'required',
        allowCredentials: [{ id: response.id, type: 'public-key' }],
        extensions: { prf: { eval: { first: prf.eval.first } } },
      } as Options),
    }).catch(() => null)
    first = again ? outputsOf(again.clientExtensionResults).first : undefined
  }
  const prfHash = first && textOf(await crypto.subtle.digest('SHA-256', first))
  return JSON.stringify({ response, prfHash })
}

const put = (name: string, value: string) => {
  const field = document.createElement('input')
  field.type = 'hidden'
  field.name = name
  field.value = value
  form.append(field)
}

const optionsIn = (name: 'options' | 'proof') => JSON.parse(form.dataset[name] ?? 'null')

/** Says one of the sentences that came with the page; what went wrong in a box, as the server says it. */
const say = (what: string, isWrong = false) => {
  said.textContent = said.dataset[what] ?? said.dataset.failed ?? ''
  const place = said.parentElement!
  place.className = isWrong ? 's' : ''
  if (isWrong) place.scrollIntoView({ block: 'nearest' })
}

/**
 * What the browser's error means where trying again never helps (WebAuthn L3 §5.1.3, §5.1.4): the authenticator has a
 * passkey of this user already, the page's name is another than the passkeys', or the authenticator cannot do it.
 * Everything else, also that there is no such passkey here, browsers hide behind one name.
 */
const sentences: Record<string, string> = {
  InvalidStateError: 'known',
  SecurityError: 'site',
  ConstraintError: 'unfit',
  NotSupportedError: 'unfit',
}

/** What is to be typed first, as a touch is too dear for an answer that the page knows already. */
const missing = (button: string): { field: HTMLInputElement; what: string } | null => {
  if (button === 'prove') return null
  const fields = [...form.querySelectorAll<HTMLInputElement>('[type=password]')]
  const empty = fields.find(({ value }) => !value)
  if (empty) return { field: empty, what: 'empty' }
  const [first, again] = fields
  return first && again && first.value !== again.value ? { field: again, what: 'differ' } : null
}

let newest = 0
/** Does the page's step, and sends the form; what goes wrong is said, and the buttons are there to try again. */
const go = async (withProof: boolean, autofill = false) => {
  newest += 1
  const round = newest
  if (!autofill) say('asks')
  try {
    // The library ends what an earlier press has begun.
    const fields: [string, string][] = []
    if (form.dataset.kind === 'create')
      fields.push(['attestation', await attestationWith(optionsIn('options'))])
    else fields.push(['asserted', await assertedWith(optionsIn('options'), autofill)])
    if (withProof) fields.push(['proof', await assertedWith(optionsIn('proof'))])
    for (const [name, value] of fields) put(name, value)
    form.submit()
  } catch (error) {
    // A suggestion that was not taken, or an earlier press: nothing went wrong.
    if (autofill || round !== newest) return
    say(sentences[(error as Error).name] ?? 'failed', true)
    console.info(String(error))
  }
}

if (browserSupportsWebAuthn()) {
  // Beside what is pressed: on a small screen the top of the form is out of sight by then.
  form.querySelector('button')?.closest('p')?.before(said.parentElement!)
  say('ready')
  form.addEventListener('submit', (event) => {
    const button = (event.submitter as HTMLButtonElement | null)?.value ?? ''
    // Buttons that need no passkey send the form as it is; so does a User ID, which has its own passkeys.
    if (!['passkey', 'store', 'prove'].includes(button)) return
    if (form.dataset.kind === 'discover' && form.querySelector<HTMLInputElement>('[name=user]')?.value.trim())
      return
    event.preventDefault()
    const wanted = missing(button)
    if (!wanted) return void go(button === 'prove')
    wanted.field.focus()
    say(wanted.what, true)
  })
  if (form.dataset.once) void go(false)
  // Suggestions would cover what the page says has happened, and a browser that takes one at once would hide it.
  else if (form.dataset.kind === 'discover' && !document.querySelector('[role=status] p'))
    void browserSupportsWebAuthnAutofill().then((can) => (can ? go(false, true) : undefined))
}
