/** Numbers that bound what one user, one letter or one request may take of what all share. */

/** How long it is known what became of a letter, for a page that is sent once more. */
export const letterMemoryMs = 30 * 24 * 60 * 60_000
