/**
 * What is offered: no SHA-1, no CBC, no finite-field Diffie-Hellman (dear for the server before anybody has logged in), no
 * compression (of what strangers send), and none of the ciphers that a man in the middle can cut messages from without strict
 * key exchange (CVE-2023-48795).
 */
import type { Algorithms } from 'ssh2'

export const algorithms: Algorithms = {
  // By its first name only: Dropbear's client sends its part of what it guesses to be chosen (RFC 4253 §7.1), its guess is
  // the other name of the same thing, and ssh2 1.17.0 leaves out such a part also where the guess was right, and then waits.
  kex: ['curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256', 'ecdh-sha2-nistp384', 'ecdh-sha2-nistp521'],
  serverHostKey: ['ssh-ed25519'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
}
