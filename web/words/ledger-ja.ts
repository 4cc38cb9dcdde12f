/** What the key log says of its entries, in Japanese. */
import type { LedgerWords } from './ledger-en.ts'

const openedFor = { read: '読むためだけに開いた', sign: '開いた' }

const ledgerReasons: LedgerWords['ledgerReasons'] = {
  opened: ({ scope }) => ({ did: openedFor[scope] }),
  'opened-by-passkey': ({ scope, name }) => ({ did: openedFor[scope], by: `パスキー「${name}」で` }),
  'opened-by-approval': ({ scope, terminal }) => ({ did: openedFor[scope], why: `${terminal}で承認` }),
  decrypted: () => ({ did: '復号した' }),
  'file-decrypted': ({ name }) => ({ did: '復号した', by: `ファイル「${name}」` }),
  signed: () => ({ did: '署名した' }),
  'passphrase-changed': () => ({ did: 'パスフレーズを変えた' }),
  'password-changed': () => ({ did: 'パスワードを変えた' }),
  'clock-mended': () => ({ did: 'サーバーの時計を直した' }),
  recovered: () => ({ did: '回復コードで新しいパスフレーズにした' }),
  'recovery-code-replaced': () => ({ did: '新しい回復コードを作った' }),
  'passkey-added': ({ name }) => ({
    did: 'パスキーを追加した',
    ...(name !== null && { why: `「${name}」` }),
  }),
  'passkey-removed': ({ name }) => ({
    did: 'パスキーを削除した',
    ...(name !== null && { why: `「${name}」` }),
  }),
  'identity-added': ({ name }) => ({ did: 'S/MIME証明書を追加した', why: name }),
  'identity-removed': ({ name }) => ({ did: 'S/MIME証明書を削除した', why: name }),
  'identity-exported': ({ name }) => ({ did: 'S/MIME証明書を鍵とともに書き出した', why: name }),
  'ssh-key-added': ({ name }) => ({ did: 'SSH鍵を追加した', why: `「${name}」` }),
  'ssh-key-removed': ({ name }) => ({ did: 'SSH鍵を削除した', why: `「${name}」` }),
  'idle-chosen': ({ minutes }) => ({ did: '開けておく時間を延ばした', why: `使わずに${minutes}分` }),
  'alias-added': ({ name }) => ({ did: '別名を追加した', why: `「${name}」` }),
  'alias-published': ({ name }) => ({ did: '別名を公開した', why: `「${name}」` }),
  'alias-hidden': ({ name }) => ({ did: '別名の公開をやめた', why: `「${name}」` }),
  'alias-removed': ({ name }) => ({ did: '別名を削除した', why: `「${name}」` }),
  'wrong-passphrase': () => ({ why: 'パスフレーズ違い' }),
  'wrong-passkey': () => ({ why: 'パスキー不承認' }),
  'passkey-counter': () => ({ why: '複製されたパスキーの疑い(カウンターが戻った)' }),
  'passkey-backup': () => ({ why: 'パスキー不承認(複製の可否が変わった)' }),
  'wrong-code': () => ({ why: '承認コード違い' }),
  'wrong-recovery-code': () => ({ why: '回復コード違い' }),
  'approval-denied': ({ terminal }) => ({ why: `${terminal}で拒否` }),
  locked: () => ({ why: '自分で閉じた' }),
  'not-held': () => ({ why: '鍵はどこでも開いていなかった' }),
  'held-elsewhere': ({ terminal }) => ({ why: `${terminal}で使用中だった` }),
  idle: () => ({ why: '使われなかった' }),
  max: () => ({ why: '時間切れ' }),
  epoch: () => ({ why: 'サーバー再起動' }),
  logout: () => ({ why: 'ログアウト' }),
  expired: () => ({ why: 'セッション終了' }),
  ended: () => ({ why: '他からログアウト' }),
  'contact-lost': () => ({ why: '端末との連絡が途絶えた' }),
  unknown: ({ text }) => ({ why: text }),
}

export const ledgerInJapanese: LedgerWords = {
  events: {
    granted: '開いた',
    used: '使った',
    refused: '断った',
    ended: '閉じた',
    stopped: '停止した',
  },
  openedBy: {
    passphrase: 'パスフレーズで',
    passkey: 'パスキーで',
    approval: '承認で',
    recovery: '回復コードで',
  },
  ledgerReasons,
}
