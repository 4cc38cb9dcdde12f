/** What the key log says of its entries, in English. */
import type { LedgerEventName, LedgerMethod } from '../../server/ground/store/tables.ts'
import type { LedgerReason, ReasonOf } from '../../server/people/ledger-reasons.ts'

/** Of an entry in the key log: what happened, where the reason has words of its own for it, how it was done, and why. */
export type LedgerSaid = { did?: string; by?: string; why?: string }
type Reasons = { [K in LedgerReason['kind']]: (reason: ReasonOf<K>) => LedgerSaid }

const openedFor = { read: 'Opened, for reading only', sign: 'Opened' }

const ledgerReasons: Reasons = {
  opened: ({ scope }) => ({ did: openedFor[scope] }),
  'opened-by-passkey': ({ scope, name }) => ({ did: openedFor[scope], by: `by passkey “${name}”` }),
  'opened-by-approval': ({ scope, terminal }) => ({
    did: openedFor[scope],
    why: `approved on ${terminal}`,
  }),
  decrypted: () => ({ did: 'Decrypted' }),
  'file-decrypted': ({ name }) => ({ did: 'Decrypted', by: `the file “${name}”` }),
  signed: () => ({ did: 'Signed' }),
  'passphrase-changed': () => ({ did: 'Passphrase changed' }),
  'password-changed': () => ({ did: 'Password changed' }),
  'clock-mended': () => ({ did: 'The server’s clock was mended' }),
  recovered: () => ({ did: 'New passphrase, by recovery code' }),
  'recovery-code-replaced': () => ({ did: 'New recovery code made' }),
  'passkey-added': ({ name }) => ({ did: 'Passkey added', ...(name !== null && { why: `“${name}”` }) }),
  'passkey-removed': ({ name }) => ({ did: 'Passkey removed', ...(name !== null && { why: `“${name}”` }) }),
  'identity-added': ({ name }) => ({ did: 'S/MIME certificate added', why: name }),
  'identity-removed': ({ name }) => ({ did: 'S/MIME certificate removed', why: name }),
  'identity-exported': ({ name }) => ({ did: 'S/MIME certificate exported with its key', why: name }),
  'ssh-key-added': ({ name }) => ({ did: 'SSH key added', why: `“${name}”` }),
  'ssh-key-removed': ({ name }) => ({ did: 'SSH key removed', why: `“${name}”` }),
  'idle-chosen': ({ minutes }) => ({ did: 'Kept open longer', why: `for ${minutes} min without a use` }),
  'alias-added': ({ name }) => ({ did: 'Alias added', why: `“${name}”` }),
  'alias-published': ({ name }) => ({ did: 'Alias published', why: `“${name}”` }),
  'alias-hidden': ({ name }) => ({ did: 'Alias no longer published', why: `“${name}”` }),
  'alias-removed': ({ name }) => ({ did: 'Alias removed', why: `“${name}”` }),
  'wrong-passphrase': () => ({ why: 'wrong passphrase' }),
  'wrong-passkey': () => ({ why: 'passkey not accepted' }),
  'passkey-counter': () => ({ why: 'perhaps a copied passkey: its counter fell back' }),
  'passkey-backup': () => ({ why: 'passkey not accepted: it says now that it can be copied' }),
  'wrong-code': () => ({ why: 'wrong code at an approval' }),
  'wrong-recovery-code': () => ({ why: 'wrong recovery code' }),
  'approval-denied': ({ terminal }) => ({ why: `denied on ${terminal}` }),
  locked: () => ({ why: 'locked by you' }),
  'not-held': () => ({ why: 'the key was open nowhere' }),
  'held-elsewhere': ({ terminal }) => ({ why: `it was open at ${terminal}` }),
  idle: () => ({ why: 'not used any more' }),
  max: () => ({ why: 'its time was over' }),
  epoch: () => ({ why: 'the server restarted' }),
  logout: () => ({ why: 'logged out' }),
  expired: () => ({ why: 'the session ended' }),
  ended: () => ({ why: 'logged out from elsewhere' }),
  'contact-lost': () => ({ why: 'the terminal was not heard of any more' }),
  unknown: ({ text }) => ({ why: text }),
}

export const ledgerInEnglish = {
  /** What happened; for certain reasons there are words of its own among `ledgerReasons`. */
  events: {
    granted: 'Opened',
    used: 'Used',
    refused: 'Refused',
    ended: 'Closed',
    stopped: 'Stopped',
  } satisfies Record<LedgerEventName, string>,
  openedBy: {
    passphrase: 'by passphrase',
    passkey: 'by passkey',
    approval: 'by approval',
    recovery: 'by recovery code',
  } satisfies Record<Exclude<LedgerMethod, 'password'>, string>,
  ledgerReasons,
}
export type LedgerWords = typeof ledgerInEnglish
