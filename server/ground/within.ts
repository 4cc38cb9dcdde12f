/**
 * Waits for an answer for so long. What came while the event loop was busy with something else came in time.
 *
 * @throws Error if none came; what the work does after that, nobody hears
 */
export const withinMs = async <T>(ms: number, work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => setImmediate(() => reject(new Error('expected an answer, got none'))), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
