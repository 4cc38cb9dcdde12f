/** What the pages say of S/MIME, in English. */
export const smimeInEnglish = {
  title: 'S/MIME',
  what: 'Certificates that an employer or an authority issued to you. Their private keys lie beside your key, and open and lock with it.',
  none: 'No certificates yet.',
  add: 'Add a certificate',
  addWhat:
    'A file that ends in .p12 or .pfx, exported with its private key: by Windows, the Keychain of a Mac, Firefox, Thunderbird, or whoever issued it.',
  file: 'File',
  passphrase: 'Passphrase of the file',
  chooseFirst: 'Choose a file first. Nothing was added.',
  make: 'Make one for trying',
  makeWhat: 'No authority vouches for it: others have to accept it by its fingerprint.',
  useToAdd: 'To put a private key beside yours, the key needs your passphrase:',
  useToRemove: 'To remove a certificate, the key needs your passphrase:',
  ofOne: (name: string) => `Certificate of ${name}`,
  addresses: 'Addresses',
  noAddress: 'It names no mail address.',
  subject: 'Issued to',
  issuer: 'Issued by',
  selfMade: 'itself: no authority vouches for it',
  lasts: (from: string, until: string) => `valid from ${from} to ${until}`,
  fingerprint: 'Fingerprint (SHA-256)',
  download: 'Certificate (file)',
  removeWhat: 'Its private key goes with it: mail that was encrypted to it alone opens no more.',
  protections: {
    smimeSign: 'Signed (S/MIME)',
    smimeBoth: 'Encrypted and signed (S/MIME)',
  },
  endsSoon: (name: string, until: string) =>
    `Your S/MIME certificate of ${name} ends on ${until}. Ask whoever issued it for the next one.`,
}
export type SmimeWords = typeof smimeInEnglish
