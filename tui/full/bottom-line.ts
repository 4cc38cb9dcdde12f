/** The bottom line: what it says, for how long, and what it asks for, a line or a key. */
import type { Completion } from '../letter/paths.ts'
import { edited, emptyField } from './field.ts'
import { questionRows } from './screen.ts'
import type { Stage } from './stage.ts'
import type { State } from './state.ts'
import type { Press } from './terminal.ts'
import type { TypingAhead } from './typing-ahead.ts'

const noticeMs = 5000

export class BottomLine {
  readonly #stage: Pick<Stage, 'state' | 'dispatch' | 'surroundings' | 'size' | 'top'>
  readonly #typing: TypingAhead
  #unsaid = ''

  constructor(
    stage: Pick<Stage, 'state' | 'dispatch' | 'surroundings' | 'size' | 'top'>,
    typing: TypingAhead,
  ) {
    this.#stage = stage
    this.#typing = typing
  }

  /** Says it for some seconds, so that the hints come back; what is kept gives way to what was asked for alone. */
  note(text: string, { forMs = noticeMs, isKept = false }: { forMs?: number; isKept?: boolean } = {}) {
    this.#stage.dispatch({ type: 'notice', text, isKept, until: this.#stage.surroundings.now() + forMs })
  }

  /** Says what nobody asked for: it waits for a problem, or for what is kept, to go. */
  mention(text: string) {
    const { notice } = this.#stage.state
    if (notice?.isProblem || notice?.isKept) this.#unsaid = text
    else this.note(text)
  }

  warn(text: string) {
    this.#stage.dispatch({ type: 'notice', text, isProblem: true })
  }

  /** Time goes by: what was said goes, and what waited for that comes. */
  tick(now: number) {
    const { notice, prompt } = this.#stage.state
    if (notice && !prompt && notice.until <= now) this.#stage.dispatch({ type: 'notice', text: '' })
    if (this.#unsaid && !this.#stage.state.notice && !prompt) {
      this.note(this.#unsaid)
      this.#unsaid = ''
    }
  }

  /** What waits is for nobody any more. */
  forget() {
    this.#unsaid = ''
  }

  /** Asks for a line. Tab completes; a second one goes through the candidates. */
  askLine(
    label: string,
    done: (text: string) => void,
    complete: (text: string) => string[] | Promise<Completion> = () => [],
    text = '',
  ) {
    const field = edited(emptyField(), { name: '', text }) ?? emptyField()
    const { top } = this.#stage
    if (top)
      this.#stage.dispatch({
        type: 'prompt',
        prompt: { screen: top.id, kind: 'line', label, field, done, complete },
      })
  }

  /** Asks for a secret, of which nothing is shown; what is typed counts as it is. */
  askSecret(label: string, done: (text: string) => void) {
    const { top } = this.#stage
    if (!top) return
    const line = {
      kind: 'line',
      label,
      field: emptyField(),
      isSecret: true,
      complete: () => [],
      done,
    } as const
    this.#stage.dispatch({ type: 'prompt', prompt: { screen: top.id, ...line } })
  }

  /** Asks for a key. @param on the number of the screen that asks; where another is on top by now, nothing is asked */
  askChoice(question: string, answers: Record<string, () => void>, on = this.#stage.top?.id) {
    if (on !== undefined)
      this.#stage.dispatch({ type: 'prompt', prompt: { screen: on, kind: 'choice', question, answers } })
  }

  /** A key press for what was asked for. */
  answer(press: Press) {
    const { prompt } = this.#stage.state
    if (!prompt) return
    const close = () => this.#stage.dispatch({ type: 'prompt', prompt: null })
    if (press.name === 'esc') return close()
    if (prompt.kind === 'choice') {
      // What cannot be read whole is not answered either.
      const isSeen = questionRows(prompt.question, this.#stage.size) !== null
      const answer = Object.hasOwn(prompt.answers, press.name) ? prompt.answers[press.name] : undefined
      // A word, not an answer: what follows of it is none either.
      if (!answer && press.text !== null) this.#typing.strays()
      if (!answer || !isSeen) return
      close()
      return answer()
    }
    if (press.name === 'enter') {
      close()
      return prompt.done(prompt.isSecret ? prompt.field.text : prompt.field.text.trim())
    }
    if (press.name === 'tab') return this.#complete(prompt)
    const field = edited(prompt.field, press)
    if (field) this.#stage.dispatch({ type: 'prompt', prompt: { ...prompt, field } })
  }

  #complete(prompt: Extract<State['prompt'], { kind: 'line' }>) {
    const take = ({ completed, candidates }: Completion) => {
      if (candidates.length === 0 || this.#stage.state.prompt !== prompt) return
      const { text } = prompt.field
      if (completed.length > text.length || (completed !== text && candidates.length === 1)) {
        const field = edited(emptyField(), { name: '', text: completed })
        if (field) this.#stage.dispatch({ type: 'prompt', prompt: { ...prompt, field } })
      } else this.note(candidates.slice(0, 8).join('  '))
    }
    const found = prompt.complete(prompt.field.text)
    if (found instanceof Promise) void found.then(take)
    else take({ completed: commonStart(found), candidates: found })
  }
}

const commonStart = (texts: string[]): string => {
  let [common = ''] = texts
  for (const text of texts)
    while (!text.toLowerCase().startsWith(common.toLowerCase())) common = common.slice(0, -1)
  return common
}
