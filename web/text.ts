/** How pages write times, sizes, and the words of strangers. */
import type { Language } from '../server/doors/visit.ts'
import type { Address } from '../server/locked/reader/headers.ts'
import type { Words } from './words.ts'

/** Pages run no script, so that no visitor's zone is known: times are the server's, and each page names its zone. */
export const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone

const locale = { en: 'en-GB', ja: 'ja-JP' } as const
const formats = (options: Intl.DateTimeFormatOptions) => ({
  en: new Intl.DateTimeFormat(locale.en, options),
  ja: new Intl.DateTimeFormat(locale.ja, options),
})
const time = formats({ hour: '2-digit', minute: '2-digit' })
const day = formats({ day: 'numeric', month: 'short' })
const date = formats({ day: 'numeric', month: 'short', year: 'numeric' })
const full = formats({ dateStyle: 'medium', timeStyle: 'short' })

/** Hours and minutes. */
export const timeOf = (language: Language, at: number): string => time[language].format(at)

export const moment = (language: Language, at: number): string => full[language].format(at)

export const dayOf = (language: Language, at: number): string => date[language].format(at)

const dayAndTime = formats({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })

/** A moment near now, whose hour matters: the hour alone today, with its day on each side of midnight. */
export const nearTime = (language: Language, at: number, now: number): string =>
  (new Date(at).toDateString() === new Date(now).toDateString() ? time : dayAndTime)[language].format(at)

/** As short as it can be said today. */
export const shortDate = (language: Language, at: number, now: number): string => {
  const then = new Date(at)
  const today = new Date(now)
  if (then.toDateString() === today.toDateString()) return time[language].format(at)
  return (then.getFullYear() === today.getFullYear() ? day : date)[language].format(at)
}

/** Characters that nobody sees: zero width, tags, fillers, selectors, and what turns the writing direction around. */
const unseen = /[\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu

/**
 * A stranger's words as they may stand in a page: with lines and tabs, without other controls and without what nobody
 * sees, which would let them appear to say what they do not. Joiners and selectors stay, which scripts and emoji need.
 */
export const readable = (text: string): string =>
  text
    .replace(/\r\n?/g, '\n')
    .replace(/(?![\n\t])\p{Cc}/gu, '')
    .replace(unseen, (character) => (/\u200c|\u200d|[\ufe00-\ufe0f]/.test(character) ? character : ''))
    .toWellFormed()

/** The same on one line of ours, and not too long; no joiners either. */
export const oneLine = (text: string, limit = 80): string => {
  // Of a code unit or two each: what lies behind the limit is not looked at.
  const characters = [
    ...readable(text.slice(0, 4 * limit + 100))
      .replace(unseen, '')
      .replace(/[\s\u2800]+/g, ' ')
      .trim(),
  ]
  return characters.length > limit ? `${characters.slice(0, limit - 1).join('')}…` : characters.join('')
}

/** Whether a name could be read as a mail address, which anybody can write there. */
export const hasAddressLooks = (name: string): boolean => name.normalize('NFKC').includes('@')

/** An address whole, for it is what tells people apart; what nobody sees in it shows. */
export const wholeAddress = (address: string): string => oneLine(address.replace(unseen, '\ufffd'), 1000)

/** Somebody with name and address: the name is cut, the address never; a name that looks like one comes after it. */
export const personIn = (words: Words, { name, address }: Address): string => {
  const [who, where] = [oneLine(name, 60), wholeAddress(address) || '<>']
  if (who === '' || who === where) return where
  if (hasAddressLooks(who)) return words.underName(where, who)
  return `${/[,;"<>]/.test(who) ? `"${who.replaceAll('"', '')}"` : who} <${where}>`
}

/** In groups of four, as people compare it. */
export const grouped = (fingerprint: string): string =>
  fingerprint.toUpperCase().replace(/(.{4})(?=.)/g, '$1 ')

export const sizeOf = (octets: number): string =>
  octets < 1000
    ? `${octets} B`
    : octets < 1e6
      ? `${Math.round(octets / 1000)} kB`
      : octets < 1e9
        ? `${(octets / 1e6).toFixed(1)} MB`
        : `${(octets / 1e9).toFixed(1)} GB`
