/** What the door itself says, in the language that a channel asks for. */
import { approvalLimits } from '../../ground/limits.ts'

export const endings = {
  'server-stops': { en: 'The server is being stopped.', ja: 'サーバーは停止するところです。' },
  'session-over': {
    en: 'This session is over: it ended elsewhere, or nothing was done for a while. Please log in again.',
    ja: 'このセッションは終わりました。他から終わらせたか、しばらく操作がなかったためです。もう一度ログインしてください。',
  },
  'logged-out': { en: 'Logged out.', ja: 'ログアウトしました。' },
  'client-failed': {
    en: 'The client ended unexpectedly. Nothing that was sent or saved is lost; please try again.',
    ja: '端末プログラムが予期せず終わりました。送信や保存が済んだものは失われていません。もう一度お試しください。',
  },
  'clients-many': {
    en: 'The server has as many clients as it can hold now, or you have as many as one may. Please end some, or try again later.',
    ja: '今は端末プログラムの数がいっぱいか、お一人で使える数に達しています。どれかを終えるか、しばらくしてからお試しください。',
  },
  'command-malformed': {
    en: 'The command is too long, or a quote in it is not closed.',
    ja: 'コマンドが長すぎるか、引用符が閉じていません。',
  },
} as const

/** Why something ends that the door ends itself. */
export type Ending = keyof typeof endings

/** @param locale as in LANG */
export const inWords = (ending: Ending, locale: string | undefined): string =>
  endings[ending][languageOf(locale)]

/** Why a file is not read, and what opens the key. @param asked what a phone was asked by, if it was */
export const lockedInWords = (
  asked: { code: string; address: string } | null,
  locale: string | undefined,
): string => {
  const language = languageOf(locale)
  if (!asked) return locked[language]
  const { code, address } = asked
  const minutes = approvalLimits.lifeMs / 1000 / 60
  return {
    en: `${locked.en} Or approve on your phone within ${minutes} minutes, and read again: ${address}, code ${code}.`,
    ja: `${locked.ja}または${minutes}分以内に携帯電話で許可し、もう一度読み出してください: ${address} コード ${code}。`,
  }[language]
}

const locked = {
  en: 'Permission denied: unlock in a client of the same connection (ControlMaster of OpenSSH).',
  ja: '許可されていません。同じ接続(OpenSSHのControlMaster)の端末プログラムで鍵を開けてください。',
}

const languageOf = (locale = '') => (/^ja(_|\.|$)/i.test(locale) ? 'ja' : 'en')
