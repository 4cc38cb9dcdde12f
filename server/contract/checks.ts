/**
 * Small parsers of JSON. Each says whether a value from outside has a shape, and defines the type of what has it: the
 * shape is written once, as its check. Members that a shape does not name are let through, so that a server may say more.
 */

export type Check<T> = (value: unknown) => value is T

/** What a check lets through. */
export type Answer<C> = C extends Check<infer T> ? T : never

export const text: Check<string> = (value) => typeof value === 'string'
/** Of what is asked for again by its name: half a surrogate pair has no place in an address (RFC 3986). */
export const name: Check<string> = (value): value is string => text(value) && value.isWellFormed()
/** What a header field may carry. */
export const token: Check<string> = (value): value is string => text(value) && /^[\x21-\x7e]+$/.test(value)
export const yesOrNo: Check<boolean> = (value) => typeof value === 'boolean'
/** Of what is left out where it is not so. */
export const yes: Check<true> = (value): value is true => value === true
/** Of things, and their names. */
export const count: Check<number> = (value): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0
export const seconds: Check<number> = (value): value is number => Number.isFinite(value) && Number(value) >= 0

export const oneOf =
  <const Words extends readonly string[]>(...words: Words): Check<Words[number]> =>
  (value): value is Words[number] =>
    words.some((word) => word === value)
export const orNull =
  <T>(check: Check<T>): Check<T | null> =>
  (value): value is T | null =>
    value === null || check(value)
/** Of a member that may be left out. */
export const orNothing =
  <T>(check: Check<T>): Check<T | undefined> =>
  (value): value is T | undefined =>
    value === undefined || check(value)
export const list =
  <T>(check: Check<T>): Check<T[]> =>
  (value): value is T[] =>
    Array.isArray(value) && value.every(check)
export const namedTexts: Check<Record<string, string>> = (value): value is Record<string, string> =>
  isRecord(value) && Object.values(value).every(text)

type Members = Record<string, Check<unknown>>
type Optional<M extends Members> = {
  [Name in keyof M]: undefined extends Answer<M[Name]> ? Name : never
}[keyof M]
/** The object that has these members, those without which it may be marked so. */
type Shape<M extends Members> = Flat<
  { [Name in Exclude<keyof M, Optional<M>>]: Answer<M[Name]> } & {
    [Name in Optional<M>]?: Answer<M[Name]>
  }
>
type Flat<T> = { [Name in keyof T]: T[Name] }

export const shape =
  <M extends Members>(members: M): Check<Shape<M>> =>
  (value): value is Shape<M> =>
    isRecord(value) && Object.entries(members).every(([name, check]) => check(own(value, name)))

/** Of an object of whatever shape, those members that are as they should be. */
export const sound = <M extends Members>(members: M, value: Record<string, unknown>): Partial<Shape<M>> =>
  Object.fromEntries(
    Object.entries(members).flatMap(([name, check]) => {
      const member = own(value, name)
      return member !== undefined && check(member) ? [[name, member]] : []
    }),
  ) as Partial<Shape<M>>

/** Never what an object inherits. */
const own = (value: Record<string, unknown>, name: string) =>
  Object.hasOwn(value, name) ? value[name] : undefined

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
