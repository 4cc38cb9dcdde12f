/** What the door itself says, in the language that a channel asks for. */

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
    en: 'The server has as many clients as it can hold now. Please try again later.',
    ja: '今は端末プログラムの数がいっぱいです。しばらくしてからお試しください。',
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
  endings[ending][/^ja(_|\.|$)/i.test(locale ?? '') ? 'ja' : 'en']
