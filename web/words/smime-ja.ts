/** What the pages say of S/MIME, in Japanese. */
import type { SmimeWords } from './smime-en.ts'

export const smimeInJapanese: SmimeWords = {
  title: 'S/MIME',
  what: '勤め先や認証局が発行した証明書です。その秘密鍵はあなたの鍵と一緒に保管され、一緒に開き、一緒に閉じます。',
  none: '証明書はまだありません。',
  add: '証明書を追加',
  addWhat:
    '秘密鍵と一緒に書き出した.p12か.pfxのファイルです。Windows、Macのキーチェーン、Firefox、Thunderbird、または発行元で作れます。',
  file: 'ファイル',
  passphrase: 'ファイルのパスフレーズ',
  chooseFirst: '先にファイルを選んでください。何も追加していません。',
  make: '試しに作る',
  makeWhat: 'どの認証局も保証しません。相手に指紋を確かめて承認してもらいます。',
  useToAdd: '秘密鍵を一緒に保管するには、鍵にパスフレーズが必要です:',
  useToRemove: '証明書を削除するには、鍵にパスフレーズが必要です:',
  ofOne: (name) => `${name}の証明書`,
  addresses: 'アドレス',
  noAddress: 'メールアドレスがありません。',
  subject: '発行先',
  issuer: '発行元',
  selfMade: '自分自身(どの認証局も保証しません)',
  lasts: (from, until) => `有効期間: ${from}から${until}まで`,
  fingerprint: '指紋(SHA-256)',
  download: '証明書(ファイル)',
  removeWhat: '秘密鍵も一緒に削除されます。その鍵だけに暗号化されたメールは開けなくなります。',
  protections: { smimeSign: '署名(S/MIME)', smimeBoth: '暗号+署名(S/MIME)' },
  endsSoon: (name, until) =>
    `${name}のS/MIME証明書は${until}に期限が切れます。発行元に次の証明書を頼んでください。`,
}
