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
  type RegistrationResponseJSON,
  startAuthentication,
  startRegistration,
  bufferToBase64URLString as textOf,
} from '@simplewebauthn/browser'

type Salts = { first: string; second?: string }
type Prf = { eval?: Salts; evalByCredential?: Record<string, Salts> }
type Options = Omit<PublicKeyCredentialRequestOptionsJSON, 'extensions'> & {
  extensions?: { prf?: Prf | undefined }
}
type Octets = Uint8Array<ArrayBuffer>
type Outputs = { first: Octets | undefined; second: Octets | undefined }

const form = document.querySelector<HTMLFormElement>('form[data-kind]')!
const said = document.querySelector<HTMLElement>('#said')!

/** The browser wants salts as octets; in JSON they are text. */
const withOctets = <T>(options: { extensions?: unknown }): T => {
  const prf = (options.extensions as { prf?: Prf } | undefined)?.prf
  if (!prf) return options as T
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
  return { ...options, extensions: { ...(options.extensions as object), prf: converted } } as T
}

/**
 * What a passkey computed: 32 octets each. In place of ArrayBuffers some password managers give views or plain lists
 * of numbers, and in place of nothing empty ones.
 */
const outputsOf = ({ clientExtensionResults }: { clientExtensionResults: unknown }): Outputs => {
  const { prf } = (clientExtensionResults ?? {}) as { prf?: { results?: Record<string, unknown> } }
  const output = (name: string) => {
    const value = prf?.results?.[name]
    const octets = new Uint8Array(typeof value === 'object' && value ? (value as ArrayBuffer) : []).slice()
    return octets.length === 32 ? octets : undefined
  }
  return { first: output('first'), second: output('second') }
}

/** The public half of the X25519 key that the second output makes: HKDF-SHA256, then RFC 7748. */
const publicKeyOf = async (output: Octets): Promise<string> => {
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

/**
 * The browser's answer, within the time that the options give. A browser ends a call by itself then; a password manager
 * that answers in its place may not.
 */
const inTime = <T>(answer: Promise<T>, timeoutMs = 5 * 60_000): Promise<T> =>
  new Promise((resolve, reject) => {
    const late = () => reject(new DOMException('expected an answer in time, got none', 'TimeoutError'))
    const timer = setTimeout(late, timeoutMs)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })

const answerTo = (options: Options): Promise<AuthenticationResponseJSON> =>
  inTime(startAuthentication({ optionsJSON: withOctets(options) }), options.timeout)

const withPrf = (options: Options, prf: Prf | undefined): Options => ({
  ...options,
  extensions: { ...options.extensions, prf },
})

/** For one passkey alone, whose salts then need no table. */
const forOne = (options: Options, id: string): Options => {
  const salts = options.extensions?.prf?.evalByCredential?.[id]
  const allowCredentials = options.allowCredentials?.filter((each) => each.id === id) ?? []
  return withPrf({ ...options, allowCredentials }, salts && { eval: salts })
}

/** The passkey whose second question failed: the next press asks for it alone. */
let chosen: string | undefined

/**
 * The answer of one of the passkeys that the options allow, with what it computes. Some password managers answer
 * `evalByCredential` without a result, or fail at it, and `eval` rightly. So one passkey is asked by `eval`; of several
 * the one that gave no result is asked once more, by `eval`. Where a press failed already, the first question is which
 * passkey it is, and no more. Both answers are to the same challenge, and one of them is sent.
 */
const answerWithPrf = async (options: Options): Promise<AuthenticationResponseJSON> => {
  const { allowCredentials = [], extensions } = options
  const one = allowCredentials.length === 1 ? allowCredentials[0]!.id : chosen
  chosen = undefined
  if (one) return answerTo(forOne(options, one))
  const hasFailed = newest > 1
  const answer = await answerTo(hasFailed ? withPrf(options, undefined) : options)
  // At the log-in a passkey that computes nothing is welcome as it is; two touches each time would be none.
  const isEnough = Boolean(form.dataset.enough)
  const mayCompute = extensions?.prf?.evalByCredential?.[answer.id] && !outputsOf(answer).second
  if (!mayCompute || (isEnough && !hasFailed)) return answer
  chosen = answer.id
  say('again')
  const second = await answerTo(forOne(options, answer.id)).catch((error: unknown) => {
    if (isEnough) return answer
    throw error
  })
  chosen = undefined
  return second
}

/** An assertion as the server takes it: the PRF results beside it, never in it. */
const assertedWith = async (options: Options, useBrowserAutofill = false): Promise<string> => {
  const response = await (useBrowserAutofill
    ? startAuthentication({ optionsJSON: withOctets(options), useBrowserAutofill })
    : answerWithPrf(options))
  const { first, second } = outputsOf(response)
  response.clientExtensionResults = {}
  let prf: { output: string; next: string } | undefined
  // A browser that cannot derive the key has no use of the outputs; the server then says what is missing.
  if (first && second)
    prf = await publicKeyOf(second).then(
      (next) => ({ output: textOf(first.buffer), next }),
      () => undefined,
    )
  return JSON.stringify({ response: JSON.stringify(response), prf })
}

/** The passkey that this page has made; it stays on the device whatever happens here, and there is no second one. */
let made: { response: RegistrationResponseJSON; first: Octets | undefined; questions: number } | undefined

/** A new passkey, and the hash of its first PRF output, by which the server knows it again at the check. */
const attestationWith = async (options: PublicKeyCredentialCreationOptionsJSON): Promise<string> => {
  const salts = (options.extensions as { prf?: Prf } | undefined)?.prf?.eval
  made ??= await newPasskey(options)
  if (!made.first && salts && made.questions < 2) {
    made.questions += 1
    say('again')
    // Some authenticators evaluate only at an assertion. This one proves nothing and goes nowhere.
    const question: Options = {
      challenge: textOf(crypto.getRandomValues(new Uint8Array(32)).buffer),
      rpId: options.rp.id!,
      ...(options.timeout ? { timeout: options.timeout } : {}),
      userVerification: options.authenticatorSelection?.userVerification ?? 'required',
      allowCredentials: [{ id: made.response.id, type: 'public-key' }],
      extensions: { prf: { eval: { first: salts.first } } },
    }
    try {
      made.first = outputsOf(await answerTo(question)).first
    } catch (error) {
      // Browsers may want a press for each question; whoever says no twice goes on without.
      if (made.questions < 2) throw error
    }
  }
  const { response, first } = made
  const prfHash = first && textOf(await crypto.subtle.digest('SHA-256', first))
  return JSON.stringify({ response, prfHash })
}

const newPasskey = async (options: PublicKeyCredentialCreationOptionsJSON) => {
  const response = await inTime(startRegistration({ optionsJSON: withOctets(options) }), options.timeout)
  const { first } = outputsOf(response)
  const { prf } = (response.clientExtensionResults ?? {}) as { prf?: { enabled?: boolean } }
  response.clientExtensionResults = prf ? ({ prf: { enabled: prf.enabled === true } } as object) : {}
  return { response, first, questions: 0 }
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
    say(made ? 'made' : (sentences[(error as Error).name] ?? 'failed'), true)
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
