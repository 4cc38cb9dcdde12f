/**
 * In which markup a terminal reads pages: HTML, XHTML, or WML for handsets of WAP (P86). By its Accept field (RFC 9110
 * §12.5.1), unless it chose one.
 */

export type Markup = 'html' | 'xhtml' | 'wml'
/** @param type the media type, as the terminal names it */
export type Terms = { markup: Markup; type: string }

const types: Record<string, Markup> = {
  'text/html': 'html',
  'application/xhtml+xml': 'xhtml',
  'application/vnd.wap.xhtml+xml': 'xhtml',
  'text/vnd.wap.wml': 'wml',
}

const usual: Record<Markup, string> = {
  html: 'text/html',
  xhtml: 'application/xhtml+xml',
  wml: 'text/vnd.wap.wml',
}

/** A choice as an address or a cookie has it; null for none of ours. */
export const choiceOf = (text: string | null | undefined): Markup | null =>
  text && Object.hasOwn(usual, text) ? (text as Markup) : null

/**
 * Of what it accepts, what it likes best; of equals, what it names first. A browser of HTML says so first, so that
 * only who puts another markup before HTML, or does not name HTML, gets that.
 *
 * @param accepted the field Accept
 * @param chosen what the terminal chose, whatever it accepts
 */
export const termsOf = (accepted: string | undefined, chosen: Markup | null): Terms => {
  const offers = (accepted ?? '').slice(0, acceptLimit).split(',').map(offerOf)
  const named = offers.filter(({ type, q }) => q > 0 && Object.hasOwn(types, type))
  const any = offers.filter(({ type }) => type === '*/*' || type === 'text/*')
  if (!offers.some(({ type }) => type === 'text/html'))
    named.push({ type: 'text/html', q: Math.max(0, ...any.map(({ q }) => q)) })
  const fitting = chosen ? named.filter(({ type }) => types[type] === chosen) : named
  const [best] = fitting.sort((a, b) => b.q - a.q)
  const type = best && best.q > 0 ? best.type : usual[chosen ?? 'html']
  return { markup: types[type]!, type }
}

const acceptLimit = 2_000

const offerOf = (entry: string): { type: string; q: number } => {
  const [type = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase())
  const weight = parameters.find((parameter) => /^q *=/.test(parameter))?.replace(/^q *= */, '')
  const q = weight === undefined ? 1 : Number(weight)
  return { type, q: q >= 0 && q <= 1 ? q : 0 }
}
