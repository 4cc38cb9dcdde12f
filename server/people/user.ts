/** Whose mail and keys they are: the log-in and mail address in lower case, and the name that letters bear. */
export type User = { id: number; address: string; name: string }
