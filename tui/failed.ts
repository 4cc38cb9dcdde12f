/** What did not go as it was to, in a sentence: exit code 1. */
export class Failed extends Error {
  override name = 'Failed'
}
