/**
 * What is offered: no SHA-1, no CBC, no finite-field Diffie-Hellman (dear for the server before anybody has logged in), no
 * compression (of what strangers send), and none of the ciphers that a man in the middle can cut messages from without strict
 * key exchange (CVE-2023-48795).
 */
import type { Algorithms } from 'ssh2'

export const algorithms: Algorithms = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
  ],
  serverHostKey: ['ssh-ed25519'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
}
